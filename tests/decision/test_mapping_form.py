"""The form of the mapping file, as editors know it."""

from relay.decision.mapping_form import json_schema


def test_the_json_schema_knows_every_key_and_no_other():
    schema = json_schema()
    sync = schema["$defs"]["SyncForm"]
    assert sync["additionalProperties"] is False
    assert {"sync_id", "depends_on", "jobs", "tests"} <= set(sync["properties"])
    assert sorted(sync["required"]) == ["depends_on", "sync_id"]
