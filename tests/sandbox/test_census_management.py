"""Census's management API: its documented answers, and syncs that are made."""

import json

import pytest
import requests
from census_workspace import DATASET, add_every_kind

from relay.sandbox import story
from relay.sandbox.census_objects import SandboxTopic
from relay.sandbox.census_wire import CensusOptions

NEW = {
    "operation": "upsert",
    "source_attributes": {"connection_id": 4, "object": {"type": "table", "id": 901}},
    "destination_attributes": {"connection_id": 15, "object": "Contact"},
    "mappings": [{"from": "EMAIL", "to": "external_id", "is_primary_identifier": True}],
}


def data(api, path, **params):
    return api.get(path, **params).json()["data"]


def create(api, **fields):
    return api.ask("POST", "/syncs", json=NEW | fields)


class TestSources:
    def test_have_a_type_and_the_details_of_their_connection(self, api):
        (source,) = data(api, "/sources")
        assert source == data(api, "/sources/4")
        assert (source["id"], source["type"]) == (4, "snowflake")
        assert set(source["connection_details"]) == {"account", "user", "warehouse", "use_keypair"}
        assert "group_id" not in source

    def test_belong_to_a_group_in_version_2(self, api):
        api.root = "/api/v2"
        assert data(api, "/sources/4")["group_id"] == "decent_dropsy"

    @pytest.mark.parametrize("path", ["objects", "data_sources"])
    def test_hold_what_the_syncs_read(self, api, sandbox, path):
        add_every_kind(sandbox)
        rows = data(api, f"/sources/4/{path}", order="asc")
        assert [(row["type"], row["id"]) for row in rows] == [
            ("table", 901),
            ("table", 902),
            ("table", 903),
            ("table", 904),
            ("table", 905),
            ("model", 15),
            ("model", 16),
            ("segment", 31),
        ]
        assert rows[0]["table_name"] == "customers"
        assert rows[5]["query"].startswith("select *")

    def test_have_pages_for_a_table_a_model_and_a_segment(self, api, sandbox):
        add_every_kind(sandbox)
        columns = [{"name": "ID", "type": "text"}, {"name": "EMAIL", "type": "text"}]
        assert data(api, "/sources/4/tables/901")["columns"] == columns
        assert data(api, "/sources/4/models/16")["compiled_query"] == "select 2"
        assert [row["id"] for row in data(api, "/sources/4/models")] == [16, 15]
        assert [row["id"] for row in data(api, "/sources/4/filter_segments")] == [31]
        assert data(api, "/sources/4/filter_segments/31")["dataset_id"] == 77

    @pytest.mark.parametrize(
        "path",
        ["/sources/9", "/sources/9/objects", "/sources/4/tables/9", "/sources/4/models/9"],
    )
    def test_that_are_not_there_are_404(self, api, path):
        assert api.get(path).json() == {"status": 404}


class TestDatasets:
    def test_are_those_that_syncs_read(self, api, sandbox):
        add_every_kind(sandbox)
        (dataset,) = data(api, "/datasets")
        assert dataset == data(api, "/datasets/77")
        assert (dataset["query"], dataset["resource_identifier"]) == (
            DATASET.query,
            "dataset:customers",
        )
        assert dataset["columns"][0]["data_type"] == "text"


class TestDestinations:
    def test_have_a_number_and_objects(self, api):
        rows = data(api, "/destinations", order="asc")
        assert [row["id"] for row in rows] == [15, 16, 17, 18]
        assert data(api, "/destinations/15")["objects"][0]["full_name"] == "Contact"
        (listed,) = data(api, "/destinations/15/objects")
        assert listed == data(api, "/destinations/15/objects/Contact")
        assert listed["fields"][0]["can_be_upsert_key"] is True
        assert api.get("/destinations/15/objects/Lead").status_code == 404

    def test_are_activations_in_version_2(self, api):
        api.root = "/api/v2"
        row = data(api, "/activations", order="asc")[0]
        assert row == data(api, "/activations/glimmering_donkey")
        assert (row["id"], row["destination"]["type"]) == ("glimmering_donkey", "salesforce")
        assert data(api, "/activations/glimmering_donkey/objects/Contact")["label"] == "Contact"
        assert api.get("/activations/15").status_code == 404
        assert api.get("/destinations").status_code == 501

    def test_are_named_by_a_sync_in_the_words_of_its_version(self, api):
        attributes = {"connection_id": 15, "object": "Contact"}
        assert data(api, "/syncs/5123")["destination_attributes"] == attributes
        api.root = "/api/v2"
        sync = data(api, "/syncs/5123")
        assert sync["activation_id"] == "glimmering_donkey"
        assert sync["destination_attributes"] == {"object": "Contact"}


class TestNewSyncs:
    def test_are_there_at_once_and_can_be_triggered(self, api, census):
        answer = create(api, label="new")
        assert answer.status_code == 201
        assert answer.json() == {"status": "created", "data": {"sync_id": 5127}}
        assert data(api, "/syncs/5127")["label"] == "new"
        assert census.sync_run(api.trigger(5127)).sync_id == 5127

    def test_can_be_made_in_version_2(self, api):
        api.root = "/api/v2"
        answer = create(api, activation_id="patient_otter")
        assert answer.json()["data"]["sync_id"] == 5127
        assert data(api, "/syncs/5127")["activation_id"] == "patient_otter"
        assert create(api).json()["message"] == "destination connection not found"

    def test_have_default_alerts_unless_they_say_so(self, api):
        create(api)
        create(api, alert_attributes=[])
        kinds = [alert["type"] for alert in data(api, "/syncs/5127")["alert_attributes"]]
        assert kinds == ["FailureAlertConfiguration"]
        assert data(api, "/syncs/5128")["alert_attributes"] == []

    @pytest.mark.parametrize(
        "fields",
        [
            {"mode": {"triggers": {"schedule": {"frequency": "daily", "hour": 10}}}},
            {"schedule_frequency": "daily", "schedule_hour": 10},
        ],
        ids=str,
    )
    def test_have_their_schedule_in_either_spelling(self, api, fields):
        create(api, **fields)
        sync = data(api, "/syncs/5127")
        assert sync["mode"]["triggers"] == {"schedule": {"frequency": "daily", "hour": 10}}
        assert (sync["schedule_frequency"], sync["schedule_hour"]) == ("daily", 10)

    def test_have_what_else_starts_them(self, api):
        triggers = {
            "dbt_cloud": {"project_id": "1", "job_id": "2"},
            "fivetran": {"job_id": "a", "job_name": "b"},
            "sync_sequence": {"sync_id": 5123},
        }
        create(api, mode={"type": "triggered", "triggers": triggers})
        sync = data(api, "/syncs/5127")
        assert sync["mode"]["triggers"] == triggers | {"schedule": {"frequency": "never"}}
        assert sync["triggers"] == triggers

    @pytest.mark.parametrize(
        ("attributes", "read"),
        [
            (
                {"object": {"type": "dataset", "id": 77}},
                {"type": "business_object_source", "dataset_id": 77},
            ),
            (
                {"object": {"type": "dataset", "id": 77}, "filter_segment_id": 31},
                {"type": "filter_segment_source", "dataset_id": 77},
            ),
            (
                {"object": {"type": "dataset", "id": 77}, "cohort_id": 12},
                {"type": "cohort_source", "dataset_id": 77},
            ),
            (
                {"object": {"type": "topic", "name": "clicks"}},
                {"type": "topic", "id": 8, "name": "clicks"},
            ),
        ],
        ids=str,
    )
    def test_are_read_otherwise_than_they_are_written(self, api, census, attributes, read):
        census.objects.add(DATASET)
        census.objects.add(SandboxTopic(topic_id=8, name="clicks"))
        create(api, source_attributes={"connection_id": 4} | attributes)
        assert data(api, "/syncs/5127")["source_attributes"]["object"] == read

    @pytest.mark.parametrize("key", ["object", "data_source"])
    @pytest.mark.parametrize("named", [{"id": 15}, {"name": "saved"}])
    def test_read_a_model_by_its_id_or_name(self, api, sandbox, key, named):
        add_every_kind(sandbox)
        create(api, source_attributes={"connection_id": 4, key: {"type": "model"} | named})
        assert data(api, "/syncs/5127")["source_attributes"][key]["id"] == 15

    def test_read_a_table_that_no_other_reads(self, api):
        table = {"table_catalog": "a", "table_schema": "b", "table_name": "c"}
        create(api, source_attributes={"connection_id": 4, "object": {"type": "table"} | table})
        source = data(api, "/syncs/5127")["source_attributes"]["object"]
        assert source == {"type": "table", "id": source["id"]} | table
        assert data(api, f"/sources/4/tables/{source['id']}")["table_name"] == "c"

    def test_are_not_made_to_be_validated(self, api, census):
        assert create(api, validate_only=True).json() == {"status": "success", "data": {}}
        assert len(census.syncs) == len(story.SYNCS)

    @pytest.mark.parametrize(
        ("fields", "said"),
        [
            ({"operation": "replace"}, "operation must be one of"),
            ({"mappings": []}, "mappings must not be empty"),
            ({"mappings": [{"to": "x"}]}, "mappings must have 'from' attribute"),
            ({"mappings": [{"from": "x", "to": "y"}]}, "exactly one mapping"),
            ({"source_attributes": {"connection_id": 9}}, "source connection not found"),
            ({"source_attributes": {"connection_id": 4, "object": {}}}, "missing type field"),
            (
                {"source_attributes": {"connection_id": 4, "object": {"type": "table"}}},
                "missing table parameters",
            ),
            (
                {"source_attributes": {"connection_id": 4, "object": {"type": "dataset"}}},
                "dataset not found",
            ),
            ({"destination_attributes": {"connection_id": 15}}, "missing destination object"),
            (
                {"destination_attributes": {"connection_id": 9, "object": "x"}},
                "destination connection not found",
            ),
            ({"alert_attributes": {}}, "sync_alert_configurations is invalid"),
        ],
        ids=str,
    )
    def test_are_refused_for_what_is_wrong(self, api, census, fields, said):
        answer = create(api, **fields)
        assert answer.status_code == 400
        assert answer.json()["status"] == "error"
        assert said in answer.json()["message"]
        assert len(census.syncs) == len(story.SYNCS)

    @pytest.mark.parametrize(
        ("body", "content_type"),
        [
            (b"", "application/json"),
            (b"{", "application/json"),
            (b"[]", "application/json"),
            (b"null", "application/json;version=2"),
            (json.dumps(NEW).encode(), "text/plain"),
        ],
    )
    def test_are_refused_where_the_body_is_no_json(self, api, body, content_type):
        headers = {"Authorization": api.authorization, "Content-Type": content_type}
        answer = api.ask("POST", "/syncs", data=body, headers=headers)
        assert answer.status_code == 400
        assert "the body is no JSON object" in answer.json()["message"]


class TestOptions:
    @pytest.mark.parametrize(("known", "other"), [("v1", "v2"), ("v2", "v1")])
    def test_a_key_is_known_in_one_version_only(self, api, census, known, other):
        census.options = CensusOptions(versions=(known,))
        api.root = f"/api/{known}"
        assert api.get("/syncs").status_code == 200
        api.root = f"/api/{other}"
        assert api.get("/syncs").status_code == 401
        assert api.post("/syncs/5123/trigger").status_code == 401
        assert census.sync_runs == []

    def test_a_large_page_is_a_bad_gateway(self, api, census):
        census.options = CensusOptions(largest_page=10)
        assert api.get("/syncs").status_code == 502
        assert api.get("/syncs", per_page=10).status_code == 200


class TestControl:
    def control(self, census, path, body):
        return requests.post(f"{census.url}/sandbox/{path}", json=body, timeout=10)

    @pytest.mark.parametrize(
        ("source", "read"),
        [
            (
                {"type": "table", "id": 9, "catalog": "a", "schema": "b", "name": "c"},
                {"type": "table", "id": 9, "table_name": "c"},
            ),
            ({"type": "model", "id": 9, "name": "m", "query": "q"}, {"id": 9, "query": "q"}),
            ({"type": "dataset", "id": 9, "name": "d", "query": "q"}, {"dataset_id": 9}),
            (
                {"type": "dataset", "id": 9, "name": "d", "query": "q", "segment_id": 3},
                {"type": "filter_segment_source", "dataset_id": 9},
            ),
            (
                {"type": "dataset", "id": 9, "name": "d", "query": "q", "cohort_id": 3},
                {"type": "cohort_source", "dataset_id": 9},
            ),
            ({"type": "topic", "id": 9, "name": "clicks"}, {"type": "topic", "id": 9}),
        ],
        ids=str,
    )
    def test_a_sync_can_be_given_another_source(self, api, census, source, read):
        assert self.control(census, "syncs/5123", {"source": source}).status_code == 200
        told = data(api, "/syncs/5123")["source_attributes"]["object"]
        assert told == told | read

    def test_a_sync_can_be_given_triggers_of_its_own(self, api, census, clock):
        change = {"schedule_frequency": "hourly", "after_sync_id": 5124, "live": True}
        self.control(census, "syncs/5123", change)
        sync = data(api, "/syncs/5123")
        assert sync["mode"]["type"] == "live"
        assert sync["mode"]["triggers"] == {
            "schedule": {"frequency": "hourly"},
            "sync_sequence": {"sync_id": 5124},
        }
        assert sync["updated_at"] > sync["created_at"]

    def test_census_can_be_told_how_to_answer(self, api, census):
        told = {"versions": ["v2"], "largest_page": 3, "paging": "next_url"}
        assert self.control(census, "census", told).json() == told
        assert api.get("/syncs").status_code == 401
        api.root = "/api/v2"
        assert "pagination" not in api.get("/syncs", per_page=2).json()
        self.control(census, "census", {})
        assert "pagination" in api.get("/syncs").json()
