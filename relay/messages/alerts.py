"""Alerts: what is wrong, from when it is seen until it is over. Values only, no I/O here."""

from dataclasses import dataclass
from datetime import datetime

import msgspec

from relay.channels import Event
from relay.messages.message import Says
from relay.notation import printable, short_message
from relay.workspaces import SyncKey

MOST_MODELS = 1000  # kept of an alert

# What was given up.
DBT_RUN = "dbt_run"
TRIGGER = "trigger"
SYNC_RUN = "sync_run"

# What is unwell.
WEBHOOK_SILENT = "webhook_silent"
WEBHOOK_SUBSCRIPTION = "webhook_subscription"
MAPPING = "mapping"
CENSUS_V1 = "census_v1"


class Detail(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an alert's line says beside its sync, in a form that is stored.

    `what` tells kinds of an event apart: what was given up, how a sync run ended, which difference,
    what is unwell. `reason` and `models` are of a decision; `share` and `over` are shares of the
    records; `behind_since`, `because`, `dbt_run_id` and `fresh_within` (seconds) of a stale sync.
    """

    what: str = ""
    reason: str = ""
    models: tuple[str, ...] = ()
    problem: str = ""
    error_code: str = ""
    http_status: int | None = None
    sync_run_id: int | None = None
    share: float | None = None
    over: float | None = None
    behind_since: datetime | None = None
    because: str = ""
    dbt_run_id: int | None = None
    fresh_within: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """Something that is wrong, as seen at a time: it opens an alert, unless one is open.

    `sync` is None if it is about no sync, `dbt_run` (account and id) if no dbt run caused it.
    `subject` tells it from others of the same event and sync.
    """

    event: Event
    detail: Detail
    sync: SyncKey | None = None
    subject: str = ""
    dbt_run: tuple[int, int] | None = None

    @property
    def key(self) -> "AlertKey":
        """What identifies it while it is open."""
        return self.event, self.sync, self.subject


AlertKey = tuple[Event, SyncKey | None, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CausingRun:
    """The dbt run that caused an alert; names are None if they are not known."""

    dbt_account_id: int
    dbt_run_id: int
    project_id: int | None = None
    job_name: str | None = None
    environment_name: str | None = None

    @property
    def name(self) -> str:
        """`dbt run 155144667 Nightly build (Production)`."""
        job = f" {short_message(self.job_name)}" if self.job_name else ""
        where = f" ({short_message(self.environment_name)})" if self.environment_name else ""
        return f"dbt run {self.dbt_run_id}{job}{where}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """An alert about which something may have to be said.

    `resolved_at` is None while it is open; `is_withdrawn` is whether it was then closed because
    nobody asks any more: its sync is not mapped, or has no limit. `behind_since` is of its sync
    now, None if that is not behind.
    """

    alert_id: int
    event: Event
    sync: SyncKey | None = None
    subject: str = ""
    detail: Detail
    opened_at: datetime
    resolved_at: datetime | None = None
    is_withdrawn: bool = False
    run: CausingRun | None = None
    behind_since: datetime | None = None

    @property
    def key(self) -> AlertKey:
        """What identifies it while it is open."""
        return self.event, self.sync, self.subject


@dataclass(frozen=True, slots=True)
class Said:
    """What was said last about an alert on a channel, of each kind.

    `at` is None if all messages that said it have failed: `failures` of them, the last `failed_at`.
    """

    alert_id: int
    channel: str
    says: Says
    at: datetime | None
    failed_at: datetime | None = None
    failures: int = 0


def dbt_run_subject(dbt_account_id: int, dbt_run_id: int) -> str:
    """The subject of an alert about a dbt run that was given up."""
    return f"{DBT_RUN}/{dbt_account_id}/{dbt_run_id}"


def kept_models(models: tuple[str, ...]) -> tuple[str, ...]:
    """The models as an alert keeps them."""
    return tuple(printable(model) for model in models[:MOST_MODELS])
