"""What a new sync sends to a field: `mappings[].from`. No I/O here.

The data of a segment_membership and of a compound_key is not documented: it is sent as written.
"""

from typing import Any

import msgspec

from relay.decision.forms import Text


class ColumnForm(msgspec.Struct, tag_field="type", tag="column"):
    """A column, by its name."""

    data: Text


class ConstantDataForm(msgspec.Struct):
    """A constant and its type, such as `text`, `number`, `boolean` or `datetime`."""

    value: Any
    basic_type: Text


class ConstantValueForm(msgspec.Struct, tag_field="type", tag="constant_value"):
    """The same value for every record."""

    data: ConstantDataForm


class SyncMetadataForm(msgspec.Struct, tag_field="type", tag="sync_metadata"):
    """Something of the sync run, such as `sync_run_id`."""

    data: Text


class SegmentMembershipForm(msgspec.Struct, tag_field="type", tag="segment_membership"):
    """The segments that a record is in."""

    data: Any


class LiquidTemplateForm(msgspec.Struct, tag_field="type", tag="liquid_template"):
    """A template that is filled in for each record."""

    data: Text


class CompoundKeyForm(msgspec.Struct, tag_field="type", tag="compound_key"):
    """Several columns as one key."""

    data: Any


FromForm = (
    ColumnForm
    | ConstantValueForm
    | SyncMetadataForm
    | SegmentMembershipForm
    | LiquidTemplateForm
    | CompoundKeyForm
)


class TextForm(msgspec.Struct, tag_field="type", tag="text"):
    """A constant in the form of 2021, as are the three that follow."""

    value: Any


class NumberForm(msgspec.Struct, tag_field="type", tag="number"):
    """A number."""

    value: Any


class BooleanForm(msgspec.Struct, tag_field="type", tag="boolean"):
    """True or false."""

    value: Any


class DatetimeForm(msgspec.Struct, tag_field="type", tag="datetime"):
    """A time."""

    value: Any


ConstantForm = TextForm | NumberForm | BooleanForm | DatetimeForm
