"""The Census API's answers about sources, datasets and destinations.

Fields: docs.getcensus.com "API" (October 2021); developers.getcensus.com/openapi/compiled/
workspace_management.yaml, a copy of which is github.com/speakeasy-sdks/Census-sample-sdk; of v2
https://fivetran.com/docs/activations/rest-api/api-reference/v2/activations-apis, pages "Fetch
source" and "List activations". In v2 only these two have been seen: the rest is v1's.
"""

from typing import Any

from relay.sandbox.census_objects import (
    SandboxDataset,
    SandboxDestination,
    SandboxModel,
    SandboxSegment,
    SandboxSource,
    SandboxTable,
)

GROUP_ID = "decent_dropsy"  # v2: what was a workspace
_CREATED, _UPDATED = "2021-10-11T20:52:58.293Z", "2021-10-14T23:15:18.508Z"
# As the documentation's examples have them: accounts, and users' names.
_WAREHOUSE = {
    "account": "xy12345.us-east-1",
    "user": "DEV",
    "warehouse": "TEST",
    "use_keypair": False,
}
_TOOL = {"instance_url": "https://rest.iad-03.braze.com"}


def source_json(source: SandboxSource, version: str) -> dict[str, Any]:
    """A source."""
    both = {
        "id": source.source_id,
        "name": source.name,
        "label": source.label,
        "type": source.type,
        "sync_engine": "basic",
        "created_at": _CREATED,
        "last_test_succeeded": True,
        "last_tested_at": _UPDATED,
        "last_test_results": [{"name": "Connection", "error": None, "status": "success"}],
        "connection_details": _WAREHOUSE,
        "read_only_connection": False,
    }
    return both | ({"group_id": GROUP_ID} if version == "v2" else {})


def object_json(thing: SandboxTable | SandboxModel | SandboxSegment) -> dict[str, Any]:
    """A row of a source's objects: without the columns, which only the thing's own page has."""
    match thing:
        case SandboxTable():
            return table_source_json(thing)
        case SandboxModel():
            return model_source_json(thing)
        case SandboxSegment():
            return segment_json(thing)


def table_source_json(table: SandboxTable) -> dict[str, Any]:
    """A table, as a sync names it."""
    return {
        "type": "table",
        "id": table.table_id,
        "table_catalog": table.catalog,
        "table_schema": table.schema,
        "table_name": table.name,
    }


def model_source_json(model: SandboxModel) -> dict[str, Any]:
    """A model, as a sync names it."""
    return {
        "type": "model",
        "id": model.model_id,
        "name": model.name,
        "query": model.query,
        "compiled_query": model.compiled_query,
        "dataset_id": model.dataset_id,
        "resource_identifier": f"model:{model.name}",
        "created_at": _CREATED,
        "updated_at": _UPDATED,
    }


def segment_json(segment: SandboxSegment) -> dict[str, Any]:
    """A filter segment."""
    return {
        "type": "segment",
        "id": segment.segment_id,
        "name": segment.name,
        "filter_segment_source_object_id": segment.segment_id,
        "dataset_id": segment.dataset.dataset_id,
        "query": f"select * from ({segment.dataset.query}) where active",
        "record_count": None,
        "resource_identifier": f"segment:{segment.name}",
        "molecules": [],
    }


def table_json(table: SandboxTable) -> dict[str, Any]:
    """A table, with its columns."""
    return table_source_json(table) | {"columns": _columns(table.columns, "type")}


def model_json(model: SandboxModel) -> dict[str, Any]:
    """A model, with its columns."""
    return model_source_json(model) | {"columns": _columns(model.columns, "type")}


def dataset_json(dataset: SandboxDataset) -> dict[str, Any]:
    """A dataset."""
    columns = _columns(dataset.columns, "data_type")
    return {
        "id": dataset.dataset_id,
        "name": dataset.name,
        "type": "sql",
        "description": None,
        "query": dataset.query,
        "source_id": dataset.source.source_id,
        "resource_identifier": f"dataset:{dataset.name}",
        "cached_record_count": 120,
        "columns": [column | {"can_be_upsert_key": True} for column in columns],
        "created_at": _CREATED,
        "updated_at": _UPDATED,
    }


def _columns(columns: tuple[tuple[str, str], ...], key: str) -> list[dict[str, Any]]:
    return [{"name": name, key: type_} for name, type_ in columns]


def destination_json(
    destination: SandboxDestination, objects: list[str], version: str
) -> dict[str, Any]:
    """A destination, or in v2 an activation."""
    if version == "v2":
        return _activation_json(destination)
    return {
        "id": destination.destination_id,
        "name": destination.name,
        "type": destination.type,
        "created_at": _CREATED,
        "last_test_succeeded": True,
        "last_tested_at": _UPDATED,
        "connection_details": _TOOL,
        "objects": [_object_head(name) for name in objects],
    }


def _activation_json(destination: SandboxDestination) -> dict[str, Any]:
    return {
        "id": destination.activation_id,
        "name": destination.name,
        "group_id": GROUP_ID,
        "source": {"id": 4, "name": "Snowflake - xy12345.us-east-1", "type": "snowflake"},
        "destination": {
            "id": destination.destination_id,
            "type": destination.type,
            "created_at": _CREATED,
            "last_test_succeeded": True,
            "last_tested_at": _UPDATED,
            "connection_details": _TOOL,
        },
    }


def destination_object_json(full_name: str) -> dict[str, Any]:
    """An object of a destination, with its fields."""
    return _object_head(full_name) | {
        "supported_operations": ["append", "insert", "mirror", "update", "upsert"],
        "fields": [_field("external_id", is_key=True), _field("email", is_key=False)],
        "primary_identifier_mapping_attributes": None,
    }


def _object_head(full_name: str) -> dict[str, Any]:
    return {
        "label": full_name.replace("_", " ").title(),
        "full_name": full_name,
        "allow_custom_fields": True,
        "allow_case_sensitive_field_names": True,
    }


def _field(full_name: str, *, is_key: bool) -> dict[str, Any]:
    keys = ("can_be_upsert_key", "can_be_update_key", "can_be_insert_key", "can_be_reference_key")
    return {
        "label": full_name.replace("_", " ").title(),
        "full_name": full_name,
        "createable": True,
        "updateable": True,
        "operations": [],
        "array": False,
        "preserve_values_supported": False,
        "required_for_mapping": is_key,
        **dict.fromkeys(keys, is_key),
        "lookup_object": None,
        "type": "String",
    }
