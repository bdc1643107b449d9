"""The simulator's syncs and sync runs."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from relay.sandbox.census_objects import SandboxDestination, SandboxModel, SandboxReads

# https://developers.getcensus.com/api-reference/sync-runs/fetch-sync-run lists the five statuses.
QUEUED, WORKING, COMPLETED = "queued", "working", "completed"
QUEUED_FOR = timedelta(seconds=1)
RECORDS = 100


# What Census adds to a sync that is made without `alert_attributes` (sutrolabs/
# terraform-provider-census, CHANGELOG.md, 0.2.9); which alerts these are is a guess.
DEFAULT_ALERTS: tuple[Mapping[str, Any], ...] = (
    {
        "type": "FailureAlertConfiguration",
        "send_for": "first_time",
        "should_send_recovery": True,
        "options": None,
    },
)
ONE_MAPPING: tuple[Mapping[str, Any], ...] = (
    {
        "from": {"type": "column", "data": "email"},
        "to": "external_id",
        "is_primary_identifier": True,
    },
)


DESTINATION = SandboxDestination()


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSync:
    """A sync: what it reads, or only the name of a model, into an object of a destination.

    `refuses` is Census's error message for every trigger; None: it starts a run unless paused. The
    fields below it are what starts the sync in Census itself, in Census's words:
    `dbt_cloud_project_id` and `dbt_cloud_job_id` name a job, `after_sync_id` the sync it follows.
    `mappings` and `alerts` are as the API has them.
    """

    sync_id: int
    label: str | None
    source: str | SandboxReads
    destination_object: str
    destination: SandboxDestination = DESTINATION
    operation: str = "upsert"
    paused: bool = False
    refuses: str | None = None
    schedule_frequency: str = "never"
    schedule_day: str | None = None
    schedule_hour: int | None = None
    schedule_minute: int | None = None
    cron_expression: str | None = None
    dbt_cloud_project_id: str | None = None
    dbt_cloud_job_id: str | None = None
    fivetran_job_id: str | None = None
    fivetran_job_name: str | None = None
    after_sync_id: int | None = None
    live: bool = False
    mappings: tuple[Mapping[str, Any], ...] = ONE_MAPPING
    alerts: tuple[Mapping[str, Any], ...] = DEFAULT_ALERTS
    created_at: str = "2021-10-22T00:40:11.246Z"
    updated_at: str = "2021-10-22T00:43:44.173Z"

    @property
    def reads(self) -> SandboxReads:
        """What it reads; of a source that is only a name, a model of that name."""
        if not isinstance(self.source, str):
            return self.source
        query = f"select * from {self.source}"
        return SandboxModel(model_id=self.sync_id + 10, name=self.source, query=query)

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
