"""Sources, datasets and destinations in Census's answers.

Only ids must be readable, and of an object of a destination its name. `connection_details` and
`credentials` are no fields here: what they hold is never decoded.
"""

from typing import Any

import msgspec

from relay.census.objects import (
    Column,
    Dataset,
    Destination,
    DestinationField,
    DestinationObject,
    OtherObject,
    Source,
    SourceModel,
    SourceObject,
    SourceSegment,
    SourceTable,
)
from relay.census.syncs import SegmentSource, TableSource
from relay.dbt.decoding import decode
from relay.errors import BadArtifact
from relay.notation import printable
from relay.vendors.census.fields import (
    flag,
    identifier,
    items,
    mapping,
    sql,
    text,
    text_or_identifier,
    time,
)
from relay.vendors.ids import VendorId, WrittenId, id_decoder


class SourceShape(msgspec.Struct):
    """A source."""

    id: WrittenId
    name: Any = None
    label: Any = None
    type: Any = None
    last_test_succeeded: Any = None
    last_tested_at: Any = None

    def as_value(self) -> Source:
        return Source(
            source_id=int(self.id),
            name=text(self.name),
            label=text(self.label),
            type=text(self.type),
            last_test_succeeded=flag(self.last_test_succeeded),
            last_tested_at=time(self.last_tested_at),
        )


class SourceObjectShape(msgspec.Struct):
    """A table, a model or a segment, by its `type`."""

    id: WrittenId
    type: Any = None
    name: Any = None
    query: Any = None
    compiled_query: Any = None
    dataset_id: Any = None
    table_catalog: Any = None
    table_schema: Any = None
    table_name: Any = None
    columns: Any = None

    def as_value(self) -> SourceObject:
        """Raises BadArtifact for a table without a name."""
        match self.type:
            case "table":
                return self.as_table()
            case "model":
                return self.as_model()
            case "segment":
                segment = SegmentSource(int(self.id), identifier(self.dataset_id))
                return SourceSegment(name=text(self.name), segment=segment)
            case _:
                return OtherObject(
                    object_id=int(self.id), type=text(self.type), name=text(self.name)
                )

    def as_table(self) -> SourceTable:
        name = text(self.table_name)
        if name is None:
            raise BadArtifact(f"Census's table {self.id} has no name")
        table = TableSource(text(self.table_catalog), text(self.table_schema), name)
        return SourceTable(table_id=int(self.id), table=table, columns=_columns(self.columns))

    def as_model(self) -> SourceModel:
        return SourceModel(
            model_id=int(self.id),
            name=text(self.name),
            query=sql(self.query),
            compiled_query=sql(self.compiled_query),
            dataset_id=identifier(self.dataset_id),
            columns=_columns(self.columns),
        )


class DatasetShape(msgspec.Struct):
    """A dataset."""

    id: WrittenId
    name: Any = None
    type: Any = None
    source_id: Any = None
    query: Any = None
    columns: Any = None

    def as_value(self) -> Dataset:
        return Dataset(
            dataset_id=int(self.id),
            name=text(self.name),
            type=text(self.type),
            source_id=identifier(self.source_id),
            query=sql(self.query),
            columns=_columns(self.columns),
        )


def _columns(written: object) -> tuple[Column, ...]:
    """The columns that have a name; of a dataset `type` is called `data_type`."""
    rows = [mapping(item) for item in items(written)]
    return tuple(
        Column(name, text(row.get("type")) or text(row.get("data_type")))
        for row in rows
        if (name := text(row.get("name"))) is not None
    )


class DestinationObjectShape(msgspec.Struct):
    """An object of a destination."""

    full_name: str
    label: Any = None
    supported_operations: Any = None
    fields: Any = None

    def as_value(self) -> DestinationObject:
        operations = (text(item) for item in items(self.supported_operations))
        return DestinationObject(
            full_name=printable(self.full_name),
            label=text(self.label),
            operations=tuple(word for word in operations if word),
            fields=tuple(_fields(self.fields)),
        )


_KEYS = ("can_be_upsert_key", "can_be_update_key", "can_be_insert_key")


def _fields(written: object) -> "list[DestinationField]":
    rows = [mapping(item) for item in items(written)]
    return [
        DestinationField(
            full_name=name,
            label=text(row.get("label")),
            type=text(row.get("type")),
            is_required=flag(row.get("required_for_mapping")) is True,
            can_be_key=any(flag(row.get(key)) for key in _KEYS),
        )
        for row in rows
        if (name := text(row.get("full_name"))) is not None
    ]


class DestinationShape(msgspec.Struct):
    """A destination; in v2 an activation, whose id is a text and whose type is its tool's."""

    id: VendorId | str
    name: Any = None
    type: Any = None
    objects: Any = None
    last_test_succeeded: Any = None
    destination: msgspec.Raw = msgspec.Raw(b"null")

    def as_value(self) -> Destination:
        tool = _tool_of(self.destination)
        return Destination(
            destination_id=text_or_identifier(self.id) or self.id,
            name=text(self.name),
            type=text(self.type) or text(tool.type),
            objects=tuple(shape.as_value() for shape in _object_shapes(self.objects)),
            last_test_succeeded=flag(
                tool.last_test_succeeded
                if self.last_test_succeeded is None
                else self.last_test_succeeded
            ),
        )


class _Tool(msgspec.Struct):
    """The tool inside an activation: the part that v1 calls the destination."""

    type: Any = None
    last_test_succeeded: Any = None


def _tool_of(written: msgspec.Raw) -> _Tool:
    try:
        return decode(_tool_decoder, bytes(written))
    except BadArtifact:
        return _Tool()


def _object_shapes(written: object) -> list[DestinationObjectShape]:
    """Raises BadArtifact for an object without a name."""
    try:
        return [msgspec.convert(item, DestinationObjectShape) for item in items(written)]
    except msgspec.ValidationError as exc:
        raise BadArtifact(f"an object of a destination cannot be read: {exc}") from exc


source_decoder: msgspec.json.Decoder[SourceShape] = id_decoder(SourceShape)
source_object_decoder: msgspec.json.Decoder[SourceObjectShape] = id_decoder(SourceObjectShape)
model_decoder = table_decoder = source_object_decoder
dataset_decoder: msgspec.json.Decoder[DatasetShape] = id_decoder(DatasetShape)
_tool_decoder = msgspec.json.Decoder(_Tool)
destination_decoder = msgspec.json.Decoder(DestinationShape)
destination_object_decoder = msgspec.json.Decoder(DestinationObjectShape)
