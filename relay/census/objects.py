"""Sources, datasets and destinations of Census. Values only, no I/O here.

None of them has connection details: those may hold credentials, and never leave the client.
https://fivetran.com/docs/activations/rest-api/api-reference/workspace-apis
"""

from dataclasses import dataclass
from datetime import datetime

from relay.census.syncs import SegmentSource, TableSource


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table, model or dataset; `type` is Census's word, None if it gave none."""

    name: str
    type: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A warehouse that Census reads. `last_test_succeeded` is None before the first test."""

    source_id: int
    name: str | None
    label: str | None
    type: str | None
    last_test_succeeded: bool | None = None
    last_tested_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceTable:
    """A table of a source; `columns` only where it was asked for by its id."""

    table_id: int
    table: TableSource
    columns: tuple[Column, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceModel:
    """A saved query of a source; with `compiled_query` a model of dbt that Census compiles."""

    model_id: int
    name: str | None
    query: str | None
    compiled_query: str | None = None
    dataset_id: int | None = None
    columns: tuple[Column, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSegment:
    """A filter segment of a source."""

    name: str | None
    segment: SegmentSource


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherObject:
    """An object of a source of another type; `type` is Census's word, None if it gave none."""

    object_id: int
    type: str | None
    name: str | None


SourceObject = SourceTable | SourceModel | SourceSegment | OtherObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """SQL that is kept in Census. `type` is its word; `query` None where it shows none."""

    dataset_id: int
    name: str | None
    type: str | None
    source_id: int | None
    query: str | None
    columns: tuple[Column, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationField:
    """A field of a destination's object."""

    full_name: str
    label: str | None
    type: str | None
    is_required: bool
    can_be_key: bool  # of an insert, update or upsert


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationObject:
    """An object of a destination, such as Salesforce's Contact; `fields` only if asked by name."""

    full_name: str
    label: str | None
    operations: tuple[str, ...] = ()
    fields: tuple[DestinationField, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A business tool that Census writes to: an activation in v2, where its id is a text."""

    destination_id: int | str
    name: str | None
    type: str | None
    objects: tuple[DestinationObject, ...] = ()
    last_test_succeeded: bool | None = None
