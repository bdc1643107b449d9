"""POST /syncs: what a new sync has to have, and what it becomes.

Fields: https://developers.getcensus.com/api-reference/syncs/create-a-new-sync, and of 2021
docs.getcensus.com "API". Texts of refusals that users have seen: "mappings must have 'from'
attribute", "missing table parameters", "missing type field"; the others are guesses.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from relay.sandbox.census_objects import (
    CensusObjects,
    SandboxCohort,
    SandboxDestination,
    SandboxReads,
    SandboxSegment,
    SandboxSource,
    SandboxTable,
    SandboxTopic,
)
from relay.sandbox.census_runs import DEFAULT_ALERTS, SandboxSync

OPERATIONS = ("append", "insert", "mirror", "update", "upsert")
_TABLE_KEYS = ("table_catalog", "table_schema", "table_name")
_FIRST_NEW_ID = 70_001  # of a table, segment or cohort that a new sync names

Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no new sync."""

    message: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """A new sync, its id still 0; with `validate_only` it is not to be made."""

    sync: SandboxSync
    validate_only: bool


class _Refused(Exception):
    pass


def judge(body: bytes, objects: CensusObjects, version: str) -> Accepted | Refusal:
    """Read the body of POST /syncs."""
    try:
        asked = msgspec.json.decode(body, type=dict[str, Any])
        return Accepted(_sync(asked, objects, version), asked.get("validate_only") is True)
    except msgspec.DecodeError as exc:
        return Refusal(f"the body is no JSON object: {exc}")
    except _Refused as exc:
        return Refusal(str(exc))


def _sync(asked: Fields, objects: CensusObjects, version: str) -> SandboxSync:
    operation = asked.get("operation")
    if operation not in OPERATIONS:
        raise _Refused(f"operation must be one of {', '.join(OPERATIONS)}")
    attributes = _object(asked, "destination_attributes")
    full_name = attributes.get("object")
    if not isinstance(full_name, str):
        raise _Refused("missing destination object")
    return SandboxSync(
        sync_id=0,
        label=asked.get("label"),
        source=_reads(_object(asked, "source_attributes"), objects),
        destination=_destination(asked, attributes, objects, version),
        destination_object=full_name,
        operation=operation,
        paused=asked.get("paused") is True,
        mappings=_mappings(asked.get("mappings")),
        alerts=_alerts(asked),
        **_schedule(asked),
        **_triggers(_triggers_of(asked)),
        live=_within(asked, "mode").get("type") == "live",
    )


def _reads(attributes: Fields, objects: CensusObjects) -> SandboxReads:
    source = objects.sources.get(attributes.get("connection_id", 0))
    if source is None:
        raise _Refused("source connection not found")
    asked = _within(attributes, "object") or _within(attributes, "data_source")
    number = asked.get("id")
    match asked.get("type"):
        case None if number is None:
            raise _Refused("missing type field")
        case "table" | None if number in objects.tables:
            return objects.tables[number]
        case "table":
            return _new_table(asked, source, objects)
        case "dataset" | "model" | "topic":
            return _kept(asked, attributes, objects)
        case _:
            raise _Refused("source object not found")


def _new_table(asked: Fields, source: SandboxSource, objects: CensusObjects) -> SandboxTable:
    catalog, schema, name = (asked.get(key) for key in _TABLE_KEYS)
    if not (isinstance(catalog, str) and isinstance(schema, str) and isinstance(name, str)):
        raise _Refused("missing table parameters")
    for table in objects.tables.values():
        if (table.catalog, table.schema, table.name) == (catalog, schema, name):
            return table
    number = max((_FIRST_NEW_ID - 1, *objects.tables)) + 1
    return SandboxTable(table_id=number, catalog=catalog, schema=schema, name=name, source=source)


def _kept(asked: Fields, attributes: Fields, objects: CensusObjects) -> SandboxReads:
    """A dataset, a segment or cohort of one, a model or a topic: by id, the last two by name."""
    number, name = asked.get("id"), asked.get("name")
    if asked["type"] == "topic":
        found = [each for each in objects.topics.values() if each.name == name]
        topic_id = number if isinstance(number, int) else _FIRST_NEW_ID
        return found[0] if found else SandboxTopic(topic_id=topic_id, name=str(name))
    if asked["type"] == "model":
        for model in objects.models.values():
            if number == model.model_id or (number is None and name == model.name):
                return model
        raise _Refused("model not found")
    dataset = objects.datasets.get(number if isinstance(number, int) else 0)
    if dataset is None:
        raise _Refused("dataset not found")
    if isinstance(segment_id := attributes.get("filter_segment_id"), int):
        return SandboxSegment(segment_id=segment_id, name=f"segment {segment_id}", dataset=dataset)
    if isinstance(cohort_id := attributes.get("cohort_id"), int):
        return SandboxCohort(cohort_id=cohort_id, dataset=dataset)
    return dataset


def _destination(
    asked: Fields, attributes: Fields, objects: CensusObjects, version: str
) -> SandboxDestination:
    """v2 names the activation beside the attributes; that it is `activation_id` is inferred."""
    named = asked.get("activation_id") if version == "v2" else attributes.get("connection_id")
    try:
        return objects.destination(str(named))
    except LookupError:
        raise _Refused("destination connection not found") from None


def _mappings(asked: Any) -> tuple[Fields, ...]:
    if not isinstance(asked, list) or not asked:
        raise _Refused("mappings must not be empty")
    rows = [row if isinstance(row, dict) else {} for row in asked]
    for key in ("from", "to"):
        if not all(key in row for row in rows):
            raise _Refused(f"mappings must have '{key}' attribute")
    if sum(row.get("is_primary_identifier") is True for row in rows) != 1:
        raise _Refused("exactly one mapping must be the primary identifier")
    return tuple(row | {"from": _from(row["from"])} for row in rows)


def _from(written: Any) -> Any:
    """In 2021 a column was only its name, and a constant had no type of its own."""
    if isinstance(written, str):
        return {"type": "column", "data": written}
    if isinstance(written, dict) and "value" in written:
        constant = {"value": written["value"], "basic_type": written.get("type", "text")}
        return {"type": "constant_value", "data": constant}
    return written


def _alerts(asked: Fields) -> tuple[Fields, ...]:
    alerts = asked.get("alert_attributes", DEFAULT_ALERTS)
    is_list = isinstance(alerts, list | tuple)
    if not is_list or not all(isinstance(alert, dict) and "type" in alert for alert in alerts):
        raise _Refused("sync_alert_configurations is invalid")
    return tuple(alerts)


def _triggers_of(asked: Fields) -> Fields:
    return _within(_within(asked, "mode"), "triggers") or _within(asked, "triggers")


def _schedule(asked: Fields) -> dict[str, Any]:
    """Of `mode`, else the `schedule_` fields of 2021."""
    schedule = _within(_triggers_of(asked), "schedule")
    keys = ("frequency", "day", "hour", "minute")
    older = {key: asked.get(f"schedule_{key}") for key in keys}
    found = schedule or older | {"cron_expression": asked.get("cron_expression")}
    return {
        "schedule_frequency": found.get("frequency") or "never",
        "schedule_day": found.get("day"),
        "schedule_hour": found.get("hour"),
        "schedule_minute": found.get("minute"),
        "cron_expression": found.get("cron_expression"),
    }


def _triggers(triggers: Fields) -> dict[str, Any]:
    dbt_cloud, fivetran = _within(triggers, "dbt_cloud"), _within(triggers, "fivetran")
    return {
        "dbt_cloud_project_id": dbt_cloud.get("project_id"),
        "dbt_cloud_job_id": dbt_cloud.get("job_id"),
        "fivetran_job_id": fivetran.get("job_id"),
        "fivetran_job_name": fivetran.get("job_name"),
        "after_sync_id": _within(triggers, "sync_sequence").get("sync_id"),
    }


def _object(asked: Fields, key: str) -> Fields:
    if not isinstance(asked.get(key), dict):
        raise _Refused(f"missing {key}")
    return _within(asked, key)


def _within(asked: Fields, key: str) -> Fields:
    found = asked.get(key)
    return found if isinstance(found, dict) else {}
