"""The form of a file that describes a new sync, as Census's API takes it. No I/O here.

https://developers.getcensus.com/api-reference/syncs/create-a-new-sync, and for what it leaves out
the provider for Terraform, sutrolabs/terraform-provider-census. Keys of earlier forms are accepted
and deprecated: `INSTEAD` in their notes says what to write.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from relay.census.sync_source_form import SourceForm
from relay.census.sync_trigger_form import Frequency, Hour, Minute, ModeForm, Weekday
from relay.census.sync_values import ConstantForm, FromForm
from relay.decision import forms
from relay.decision.forms import PositiveId, Text, deprecated

Operation = Literal["append", "insert", "mirror", "update", "upsert"]
Percent = Annotated[int, msgspec.Meta(ge=0, le=100)]
Mappings = Annotated[list["MappingForm"], msgspec.Meta(min_length=1)]
AlertType = Literal[
    "FailureAlertConfiguration",
    "FullSyncTriggerAlertConfiguration",
    "InvalidRecordPercentAlertConfiguration",
    "RecordCountDeviationAlertConfiguration",
    "RuntimeAlertConfiguration",
    "StatusAlertConfiguration",
]

_ALERTS = "no effect, because relay always sends `alert_attributes`, which counts: use it"
_SCHEDULE = "write `mode.triggers.schedule.{}`"


class DestinationForm(msgspec.Struct, kw_only=True):
    """`destination_attributes:`; in v2 `activation_id` stands in for `connection_id`."""

    connection_id: PositiveId | UnsetType = UNSET
    object: Text
    lead_union_insert_to: Text | UnsetType = UNSET


class MappingForm(msgspec.Struct, kw_only=True):
    """One of `mappings:`."""

    source: Text | FromForm | ConstantForm = msgspec.field(name="from")
    to: Text
    is_primary_identifier: bool | UnsetType = UNSET
    generate_field: bool | UnsetType = UNSET
    preserve_values: bool | UnsetType = UNSET
    operation: Literal["merge", "overwrite"] | UnsetType = UNSET
    lookup_object: Text | UnsetType = UNSET
    lookup_field: Text | UnsetType = UNSET
    sync_null_values: bool | UnsetType = UNSET
    array_field: bool | UnsetType = UNSET
    field_type: Text | UnsetType = UNSET
    follow_source_type: bool | UnsetType = UNSET
    position: Annotated[int, msgspec.Meta(ge=0)] | UnsetType = UNSET


class AlertForm(msgspec.Struct, kw_only=True):
    """One of `alert_attributes:`."""

    type: AlertType
    send_for: Literal["first_time", "every_time"] | UnsetType = UNSET
    should_send_recovery: bool | UnsetType = UNSET
    options: dict[str, Any] | UnsetType | None = UNSET


class NewSyncForm(msgspec.Struct, kw_only=True):
    """The whole file.

    `paused` and `alert_attributes` are always sent: without the first a new sync may start, without
    the second Census adds alerts of its own.
    """

    label: Text | UnsetType = UNSET
    operation: Operation
    source_attributes: SourceForm
    destination_attributes: DestinationForm
    activation_id: Text | UnsetType = UNSET
    mappings: Mappings
    alert_attributes: list[AlertForm] = msgspec.field(default_factory=list)
    paused: bool = True
    mode: ModeForm | UnsetType = UNSET
    field_behavior: Literal["sync_all_properties", "specific_properties"] | UnsetType = UNSET
    field_normalization: (
        Literal[
            "start_case",
            "lower_case",
            "upper_case",
            "camel_case",
            "snake_case",
            "match_source_names",
        ]
        | UnsetType
    ) = UNSET
    field_order: (
        Literal["alphabetical_column_name", "mapping_order", "source_column_order"] | UnsetType
    ) = UNSET
    mirror_strategy: (
        Literal["sync_updates_and_deletes", "sync_updates_and_nulls", "upload_and_swap"] | UnsetType
    ) = UNSET
    historical_sync_operation: (
        Literal["skip_current_records", "backfill_all_records"] | UnsetType
    ) = UNSET
    high_water_mark_attribute: Text | UnsetType = UNSET
    sync_behavior_family: Literal["activateEvents", "mapRecords"] | UnsetType = UNSET
    advanced_configuration: dict[str, Any] | UnsetType = UNSET
    validate_only: bool = False

    schedule_frequency: Annotated[
        Frequency | UnsetType, deprecated(_SCHEDULE.format("frequency"))
    ] = UNSET
    schedule_day: Annotated[Weekday | UnsetType | None, deprecated(_SCHEDULE.format("day"))] = UNSET
    schedule_hour: Annotated[Hour | UnsetType | None, deprecated(_SCHEDULE.format("hour"))] = UNSET
    schedule_minute: Annotated[
        Minute | UnsetType | None, deprecated(_SCHEDULE.format("minute"))
    ] = UNSET
    cron_expression: Annotated[
        Text | UnsetType | None, deprecated(_SCHEDULE.format("cron_expression"))
    ] = UNSET
    trigger_on_dbt_cloud_rebuild: Annotated[
        bool | UnsetType,
        deprecated("leave it to relay, or write `mode.triggers.dbt_cloud`"),
    ] = UNSET
    high_water_mark_attributes: Annotated[
        dict[str, Any] | UnsetType, deprecated("write `high_water_mark_attribute: COLUMN`")
    ] = UNSET
    failed_run_notifications_enabled: Annotated[bool | UnsetType, deprecated(_ALERTS)] = UNSET
    failed_record_notifications_enabled: Annotated[bool | UnsetType, deprecated(_ALERTS)] = UNSET
    failed_record_notifications_threshold_percent: Annotated[
        Percent | UnsetType, deprecated(_ALERTS)
    ] = UNSET


def json_schema() -> dict[str, Any]:
    """The JSON Schema of the file, for editors."""
    return forms.json_schema(NewSyncForm, title="A new Census sync for relay")
