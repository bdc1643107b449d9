"""What a new sync reads, as Census's API takes it: `source_attributes`. No I/O here."""

from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from relay.decision.forms import PositiveId, Text, deprecated

NAMES_OF_A_TABLE = ("table_catalog", "table_schema", "table_name")
# Census's answers name a dataset, segment or cohort otherwise than a new sync does.
OF_A_DATASET = (
    "; a dataset is {type: dataset, id: …}, and so is a segment or cohort of it, with"
    " `filter_segment_id` or `cohort_id` beside `object`"
)


class TableForm(msgspec.Struct, kw_only=True, tag_field="type", tag="table"):
    """A table, by its id or by all three names."""

    id: PositiveId | UnsetType = UNSET
    table_catalog: Text | UnsetType = UNSET
    table_schema: Text | UnsetType = UNSET
    table_name: Text | UnsetType = UNSET


class DatasetForm(msgspec.Struct, kw_only=True, tag_field="type", tag="dataset"):
    """A dataset; a segment or a cohort of it, with its id beside `object`."""

    id: PositiveId


class ModelForm(msgspec.Struct, kw_only=True, tag_field="type", tag="model"):
    """A model, by its id or its name."""

    id: PositiveId | UnsetType = UNSET
    name: Text | UnsetType = UNSET


class TopicForm(msgspec.Struct, kw_only=True, tag_field="type", tag="topic"):
    """A topic of a stream, by its id or its name."""

    id: PositiveId | Text | UnsetType = UNSET
    name: Text | UnsetType = UNSET


class EarlierObjectForm(msgspec.Struct, kw_only=True):
    """What `object` was until 2022: a type was not needed beside an id."""

    type: Text | UnsetType = UNSET
    id: PositiveId | UnsetType = UNSET
    name: Text | UnsetType = UNSET
    table_catalog: Text | UnsetType = UNSET
    table_schema: Text | UnsetType = UNSET
    table_name: Text | UnsetType = UNSET


ObjectForm = TableForm | DatasetForm | ModelForm | TopicForm


class SourceForm(msgspec.Struct, kw_only=True):
    """`source_attributes:`."""

    connection_id: PositiveId
    object: ObjectForm | UnsetType = UNSET
    filter_segment_id: PositiveId | UnsetType = UNSET
    cohort_id: PositiveId | UnsetType = UNSET
    data_source: Annotated[EarlierObjectForm | UnsetType, deprecated("write `object`")] = UNSET
