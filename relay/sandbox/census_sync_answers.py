"""The Census API's answers about syncs, with the old and the new names of every field.

docs.getcensus.com "API" (October 2021) and https://developers.getcensus.com/api-reference/syncs;
how an answer names a source: github.com/sutrolabs/terraform-provider-census, census/provider/
resource_sync.go, FlattenSourceAttributes. A topic in an answer has not been seen: a guess.
"""

from typing import Any

from relay.sandbox.census_object_answers import model_source_json, table_source_json
from relay.sandbox.census_objects import (
    SandboxCohort,
    SandboxDataset,
    SandboxModel,
    SandboxReads,
    SandboxSegment,
    SandboxTable,
    SandboxTopic,
)
from relay.sandbox.census_runs import SandboxSync


def sync_json(sync: SandboxSync, *, version: str, last_status: str | None) -> dict[str, Any]:
    """A sync; `last_status` is how its last run ended, None before the first one."""
    words = {None: "ready", "failed": "failing"}
    triggers = _triggers(sync)
    return {
        "id": sync.sync_id,
        "label": sync.label,
        # Read by dagster-census for a sync without a label. The word before the colon is that of
        # Census's GitLink (sutrolabs/census-docs, basics/developers/gitlink.md); the rest a guess.
        "resource_identifier": f"sync:{sync.sync_id}",
        "schedule_frequency": sync.schedule_frequency,
        "schedule_day": sync.schedule_day,
        "schedule_hour": sync.schedule_hour,
        "schedule_minute": sync.schedule_minute,
        "cron_expression": sync.cron_expression,
        "created_at": sync.created_at,
        "updated_at": sync.updated_at,
        "operation": sync.operation,
        "paused": sync.paused,
        "status": words.get(last_status, "up to date"),
        "lead_union_insert_to": None,
        "trigger_on_dbt_cloud_rebuild": False,
        "field_behavior": "specific_properties",
        "field_normalization": None,
        "alert_attributes": list(sync.alerts),
        "source_attributes": _source_attributes(sync.reads),
        **_destination(sync, version),
        "mappings": [dict(mapping) for mapping in sync.mappings],
        "triggers": {key: value for key, value in triggers.items() if key != "schedule"},
        "mode": {"type": "live" if sync.live else "triggered", "triggers": triggers},
    }


def _destination(sync: SandboxSync, version: str) -> dict[str, Any]:
    """v2 has the activation's id beside the attributes; that it is `activation_id` is inferred."""
    attributes = {"object": sync.destination_object}
    if version == "v2":
        activation_id = sync.destination.activation_id
        return {"activation_id": activation_id, "destination_attributes": attributes}
    number = sync.destination.destination_id
    return {"destination_attributes": {"connection_id": number, **attributes}}


def _source_attributes(reads: SandboxReads) -> dict[str, Any]:
    source = _source_json(reads)
    # `data_source` until March 2022, `object` since
    both = {
        "connection_id": reads.source.source_id,
        "data_source": source,
        "object": source,
    }
    match reads:
        case SandboxSegment():
            return both | {"filter_segment_id": reads.segment_id}
        case SandboxCohort():
            return both | {"cohort_id": reads.cohort_id}
        case _:
            return both


def _source_json(reads: SandboxReads) -> dict[str, Any]:
    match reads:
        case SandboxTable():
            return table_source_json(reads)
        case SandboxModel():
            return model_source_json(reads)
        case SandboxDataset():
            return {"type": "business_object_source", "dataset_id": reads.dataset_id}
        case SandboxSegment():
            return {"type": "filter_segment_source", "dataset_id": reads.dataset.dataset_id}
        case SandboxCohort():
            return {"type": "cohort_source", "dataset_id": reads.dataset.dataset_id}
        case SandboxTopic():
            return {"type": "topic", "id": reads.topic_id, "name": reads.name}


def _triggers(sync: SandboxSync) -> dict[str, Any]:
    """`mode.triggers`; of the schedule the fields that are set."""
    schedule = {
        "frequency": sync.schedule_frequency,
        "day": sync.schedule_day,
        "hour": sync.schedule_hour,
        "minute": sync.schedule_minute,
        "cron_expression": sync.cron_expression,
    }
    triggers: dict[str, Any] = {
        "schedule": {key: value for key, value in schedule.items() if value is not None}
    }
    if sync.dbt_cloud_job_id is not None:
        triggers["dbt_cloud"] = {
            "project_id": sync.dbt_cloud_project_id,
            "job_id": sync.dbt_cloud_job_id,
        }
    if sync.fivetran_job_id is not None:
        triggers["fivetran"] = {"job_id": sync.fivetran_job_id, "job_name": sync.fivetran_job_name}
    if sync.after_sync_id is not None:
        triggers["sync_sequence"] = {"sync_id": sync.after_sync_id}
    return triggers
