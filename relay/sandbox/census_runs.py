"""The simulator's syncs and sync runs."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

# https://developers.getcensus.com/api-reference/sync-runs/fetch-sync-run lists the five statuses.
QUEUED, WORKING, COMPLETED = "queued", "working", "completed"
QUEUED_FOR = timedelta(seconds=1)
RECORDS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSync:
    """A sync from a source, by name, to an object of a destination.

    `refuses` is Census's error message for every trigger; None: it starts a run unless paused.
    `dbt_cloud_project_id` and `dbt_cloud_job_id` are the job after which Census itself starts it.
    """

    sync_id: int
    label: str | None
    source: str
    destination_object: str
    operation: str = "upsert"
    paused: bool = False
    refuses: str | None = None
    schedule_frequency: str = "never"
    dbt_cloud_project_id: str | None = None
    dbt_cloud_job_id: str | None = None

    @property
    def refusal(self) -> str | None:
        """Why a trigger is refused; None if it is not. Census's own texts are not published."""
        return self.refuses or ("The sync is paused." if self.paused else None)


@dataclass(frozen=True, slots=True)
class End:
    """How a run ended, with Census's status, and when."""

    status: str
    at: datetime
    canceled: bool = False
    records_processed: int = RECORDS
    records_failed: int = 0
    records_invalid: int = 0
    error_code: str | None = None
    error_message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSyncRun:
    """A run of a sync. `end` is None while it is running; `forced_status` overrides its status."""

    sync_run_id: int
    sync_id: int
    created_at: datetime
    full_sync: bool = False
    end: End | None = None
    forced_status: str | None = None

    def at_time(self, now: datetime, *, takes: timedelta | None) -> "SandboxSyncRun":
        """The same run, ended if its time is over."""
        if self.end or self.forced_status or takes is None or now < self.created_at + takes:
            return self
        return replace(self, end=End(COMPLETED, self.created_at + takes))

    def status_at(self, now: datetime, *, takes: timedelta | None) -> str:
        """Its status, as Census names it."""
        if self.end:
            return self.end.status
        if self.forced_status:
            return self.forced_status
        queued_for = QUEUED_FOR if takes is None else min(QUEUED_FOR, takes / 4)
        return QUEUED if now < self.created_at + queued_for else WORKING
