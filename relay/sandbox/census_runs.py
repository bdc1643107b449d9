"""Census syncs and sync runs as the simulator keeps them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from relay.sandbox.census_objects import SandboxDestination, SandboxModel, SandboxReads

# https://developers.getcensus.com/api-reference/sync-runs/fetch-sync-run lists the five words.
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

    `refuses` is what Census answers to a trigger instead of starting a run; None: it starts one,
    unless it is paused. Below it is what lets Census itself start the sync, in Census's words:
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
