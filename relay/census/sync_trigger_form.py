"""What starts a new sync in Census itself, as its API takes it: `mode`. No I/O here."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

from relay.decision.forms import PositiveId, Text

Frequency = Literal[
    "never", "continuous", "quarter_hourly", "hourly", "daily", "weekly", "expression"
]
Weekday = Literal["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]
Hour = Annotated[int, msgspec.Meta(ge=0, le=24)]
Minute = Annotated[int, msgspec.Meta(ge=0, le=59)]


class ScheduleForm(msgspec.Struct, kw_only=True):
    """`mode.triggers.schedule:`; times are UTC."""

    frequency: Frequency
    day: Weekday | UnsetType | None = UNSET
    hour: Hour | UnsetType | None = UNSET
    minute: Minute | UnsetType | None = UNSET
    cron_expression: Text | UnsetType | None = UNSET


class DbtCloudForm(msgspec.Struct, kw_only=True):
    """`mode.triggers.dbt_cloud:`; Census takes both ids as texts."""

    project_id: Text
    job_id: Text


class FivetranForm(msgspec.Struct, kw_only=True):
    """`mode.triggers.fivetran:`."""

    job_id: Text
    job_name: Text


class SyncSequenceForm(msgspec.Struct, kw_only=True):
    """`mode.triggers.sync_sequence:`, the sync that comes before."""

    sync_id: PositiveId


class TriggersForm(msgspec.Struct, kw_only=True):
    """`mode.triggers:`; several may be given."""

    schedule: ScheduleForm | UnsetType = UNSET
    dbt_cloud: DbtCloudForm | UnsetType = UNSET
    fivetran: FivetranForm | UnsetType = UNSET
    sync_sequence: SyncSequenceForm | UnsetType = UNSET


class ModeForm(msgspec.Struct, kw_only=True):
    """`mode:`."""

    type: Literal["triggered", "live"]
    triggers: TriggersForm | UnsetType = UNSET
