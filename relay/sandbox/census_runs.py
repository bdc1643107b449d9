"""Census syncs and sync runs as the simulator keeps them."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

# https://developers.getcensus.com/api-reference/sync-runs/fetch-sync-run lists the five words.
QUEUED, WORKING, COMPLETED = "queued", "working", "completed"
QUEUED_FOR = timedelta(seconds=1)
RECORDS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSync:
    """A sync: a source, by its name, into an object of a destination.

    `refuses` is what Census answers to a trigger instead of starting a run; None: it starts one,
    unless it is paused.
    `dbt_cloud_project_id` and `dbt_cloud_job_id` name the job Census itself lets start it.
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
        """Why a trigger starts nothing; None where it does. Census's own texts are unpublished."""
        return self.refuses or ("The sync is paused." if self.paused else None)


@dataclass(frozen=True, slots=True)
class End:
    """How a run ended, in Census's word, and when."""

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
    """A run of a sync. `end` is None while it is going; `says` is a status it was told to have."""

    sync_run_id: int
    sync_id: int
    created_at: datetime
    full_sync: bool = False
    end: End | None = None
    says: str | None = None

    def settled(self, now: datetime, *, takes: timedelta | None) -> "SandboxSyncRun":
        """The same run, at its end if it has had the time it takes."""
        if self.end or self.says or takes is None or now < self.created_at + takes:
            return self
        return replace(self, end=End(COMPLETED, self.created_at + takes))

    def status_at(self, now: datetime, *, takes: timedelta | None) -> str:
        """Census's word for how it stands."""
        if self.end:
            return self.end.status
        if self.says:
            return self.says
        queued_for = QUEUED_FOR if takes is None else min(QUEUED_FOR, takes / 4)
        return QUEUED if now < self.created_at + queued_for else WORKING
