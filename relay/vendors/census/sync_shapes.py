"""A sync in Census's answers, in each of the spellings its API has had.

What a sync reads is `source_attributes.data_source` until March 2022, `object` since. An answer
names a dataset, segment or cohort otherwise than a request does: `business_object_source`,
`filter_segment_source`, `cohort_source` (sutrolabs/terraform-provider-census, census/provider/
resource_sync.go, FlattenSourceAttributes).
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from relay.census.syncs import (
    CensusSync,
    CohortSource,
    DatasetSource,
    FieldMapping,
    ModelSource,
    OtherSource,
    SegmentSource,
    SyncDestination,
    SyncSource,
    TableSource,
)
from relay.notation import printable
from relay.vendors.census.fields import (
    flag,
    identifier,
    items,
    mapping,
    message,
    sql,
    text,
    text_or_identifier,
    time,
)
from relay.vendors.census.own_triggers import own_triggers
from relay.vendors.ids import WrittenId, id_decoder


class SyncShape(msgspec.Struct):
    """A sync. Only its id must be readable."""

    id: WrittenId
    label: Any = None
    status: Any = None
    paused: Any = None
    operation: Any = None
    created_at: Any = None
    updated_at: Any = None
    source_attributes: Any = None
    destination_attributes: Any = None
    activation_id: Any = None  # v2: the name is inferred, its meaning documented
    mappings: Any = None
    mode: Any = None
    triggers: Any = None
    schedule_frequency: Any = None
    schedule_day: Any = None
    schedule_hour: Any = None
    schedule_minute: Any = None
    cron_expression: Any = None
    trigger_on_dbt_cloud_rebuild: Any = None

    def as_value(self) -> CensusSync:
        source = mapping(self.source_attributes)
        return CensusSync(
            sync_id=int(self.id),
            label=text(self.label),
            status=text(self.status),
            is_paused=flag(self.paused) is True,
            operation=text(self.operation),
            connection_id=identifier(source.get("connection_id")),
            source=_source(source),
            destination=_destination(mapping(self.destination_attributes), self.activation_id),
            own_triggers=own_triggers(msgspec.structs.asdict(self)),
            mappings=tuple(_mappings(self.mappings)),
            created_at=time(self.created_at),
            updated_at=time(self.updated_at),
        )


def _source(attributes: dict[str, Any]) -> SyncSource:
    # Both can be there: the newer one counts, unless it is null.
    source = mapping(attributes.get("object")) or mapping(attributes.get("data_source"))
    dataset_id = identifier(source.get("dataset_id"))
    named = dataset_id or (identifier(source.get("id")) if _is_dataset(source) else None)
    if segment_id := identifier(attributes.get("filter_segment_id")):
        return SegmentSource(segment_id, named)
    if cohort_id := identifier(attributes.get("cohort_id")):
        return CohortSource(cohort_id, named)
    type_ = text(source.get("type"))
    match type_ or _type_by_fields(source):
        case "table" if name := text(source.get("table_name")):
            return TableSource(
                text(source.get("table_catalog")), text(source.get("table_schema")), name
            )
        case "dataset" | "business_object_source" if named:
            return DatasetSource(named)
        case "model":
            return _model(source)
        case _:
            return OtherSource(type_)


def _is_dataset(source: dict[str, Any]) -> bool:
    return source.get("type") == "dataset"


def _type_by_fields(source: dict[str, Any]) -> str | None:
    """The type of a source that does not name it."""
    if source.get("table_name"):
        return "table"
    return "model" if source.get("query") else None


def _model(source: dict[str, Any]) -> ModelSource:
    return ModelSource(
        model_id=identifier(source.get("id")),
        name=text(source.get("name")),
        query=sql(source.get("query")),
        compiled_query=sql(source.get("compiled_query")),
        dataset_id=identifier(source.get("dataset_id")),
    )


def _destination(attributes: dict[str, Any], activation_id: object) -> SyncDestination:
    written = activation_id if activation_id is not None else attributes.get("connection_id")
    return SyncDestination(text_or_identifier(written), text(attributes.get("object")))


def _mappings(written: object) -> Iterator[FieldMapping]:
    for item in items(written):
        row = mapping(item)
        field = text(row.get("to"))
        if field is not None:
            is_key = flag(row.get("is_primary_identifier")) is True
            yield FieldMapping(_sent(row.get("from")), field, is_key)


def _sent(written: object) -> str:
    """A column's name, in both spellings; else what is sent in words: `constant 'cohort_1'`."""
    if isinstance(written, str):
        return printable(written)
    sent = mapping(written)
    type_, data = text(sent.get("type")), sent.get("data")
    if type_ == "column" and isinstance(data, str):
        return printable(data)
    constant = mapping(data) if type_ == "constant_value" else sent
    if "value" in constant:
        return f"constant {message(str(constant['value']))!r}"
    return f"{type_ or 'unknown'} {message(data) or ''}".strip()


sync_decoder: msgspec.json.Decoder[SyncShape] = id_decoder(SyncShape)
