"""Every spelling that Census's API has had, and what is missing or of an odd type."""

import json
from datetime import UTC, datetime

import pytest
from census_workspace import management_of

from relay.census.syncs import (
    CohortSource,
    DatasetSource,
    FieldMapping,
    ModelSource,
    OtherSource,
    OwnTrigger,
    SegmentSource,
    StartedBy,
    SyncDestination,
    TableSource,
)
from relay.errors import BadArtifact
from relay.sandbox.wire import Body

TABLE = {"type": "table", "table_catalog": "A", "table_schema": "M", "table_name": "DIM"}
HOURLY = OwnTrigger(StartedBy.SCHEDULE, "hourly")
DBT_JOB = OwnTrigger(StartedBy.DBT_CLOUD, "job 9 of project 8")


@pytest.fixture(name="census")
def _census(sandbox):
    return management_of(sandbox, version="v1")


@pytest.fixture(name="read")
def _read(census, sandbox):
    """A sync of whose answer only the fields are given, read."""

    def read(**fields):
        body = {"status": "success", "data": {"id": 61} | fields}
        sandbox.census.fail_next("/syncs/61", Body(json.dumps(body).encode()))
        return census.sync(61)

    return read


class TestSource:
    @pytest.mark.parametrize(
        ("attributes", "source"),
        [
            ({"object": TABLE}, TableSource("A", "M", "DIM")),
            ({"data_source": TABLE}, TableSource("A", "M", "DIM")),
            ({"object": TABLE, "data_source": {"type": "topic"}}, TableSource("A", "M", "DIM")),
            ({"object": None, "data_source": TABLE}, TableSource("A", "M", "DIM")),
            ({"object": {"table_name": "DIM"}}, TableSource(None, None, "DIM")),
            ({"object": {"type": "table", "id": 9}}, OtherSource("table")),
            ({"object": {"type": "business_object_source", "dataset_id": 77}}, DatasetSource(77)),
            (
                {"object": {"type": "business_object_source", "dataset_id": 77, "id": 9}},
                DatasetSource(77),
            ),
            (
                {"object": {"type": "business_object_source", "id": 9}},
                OtherSource("business_object_source"),
            ),
            ({"object": {"type": "dataset", "id": 77}}, DatasetSource(77)),
            ({"object": {"type": "dataset", "id": "77"}}, DatasetSource(77)),
            (
                {
                    "filter_segment_id": 31,
                    "object": {"type": "filter_segment_source", "dataset_id": 77},
                },
                SegmentSource(31, 77),
            ),
            (
                {"filter_segment_id": 31, "object": {"type": "dataset", "id": 77}},
                SegmentSource(31, 77),
            ),
            (
                {"filter_segment_id": 31, "object": {"type": "model", "id": 15}},
                SegmentSource(31, None),
            ),
            (
                {"cohort_id": 12, "object": {"type": "cohort_source", "dataset_id": 77}},
                CohortSource(12, 77),
            ),
            ({"cohort_id": 12, "object": {"type": "dataset", "id": 77}}, CohortSource(12, 77)),
            (
                {"filter_segment_id": None, "cohort_id": None, "object": TABLE},
                TableSource("A", "M", "DIM"),
            ),
            (
                {"data_source": {"type": "model", "id": 15, "name": "m", "query": "select 1"}},
                ModelSource(model_id=15, name="m", query="select 1"),
            ),
            (
                {"object": {"type": "model", "id": 15, "name": "m", "compiled_query": "select 2"}},
                ModelSource(model_id=15, name="m", query=None, compiled_query="select 2"),
            ),
            (
                {"object": {"id": 15, "query": "select 1"}},
                ModelSource(model_id=15, name=None, query="select 1"),
            ),
            ({"object": {"type": "topic", "id": 3, "name": "clicks"}}, OtherSource("topic")),
            ({"object": {"type": "hologram"}}, OtherSource("hologram")),
            ({"object": {}}, OtherSource(None)),
            ({}, OtherSource(None)),
            (None, OtherSource(None)),
            ([], OtherSource(None)),
        ],
        ids=str,
    )
    def test_is_read(self, read, attributes, source):
        assert read(source_attributes=attributes).source == source

    def test_has_a_query_whose_lines_stay_lines(self, read):
        """A comment would go on to the end of the query."""
        query = "select a -- \u202eone\r\nfrom\tb\nwhere true"
        sync = read(source_attributes={"object": {"type": "model", "id": 1, "query": query}})
        assert sync.source.query == "select a -- \\u202eone\nfrom b\nwhere true"

    def test_has_names_that_can_be_printed(self, read):
        table = TABLE | {"table_name": "D\x1b[2J\nM"}
        sync = read(label="a\nb\u202e", source_attributes={"object": table})
        assert sync.source.name == "D\\x1b[2J M"
        assert sync.label == "a b\\u202e"


class TestOwnTriggers:
    @pytest.mark.parametrize(
        ("fields", "triggers"),
        [
            ({}, None),
            ({"mode": None, "triggers": None, "schedule_frequency": None}, None),
            ({"schedule_frequency": "never"}, ()),
            ({"trigger_on_dbt_cloud_rebuild": False}, ()),
            ({"trigger_on_dbt_cloud_rebuild": True}, (OwnTrigger(StartedBy.DBT_CLOUD, ""),)),
            ({"schedule_frequency": "hourly"}, (HOURLY,)),
            (
                {"schedule_frequency": "weekly", "schedule_day": "Monday", "schedule_hour": 0},
                (OwnTrigger(StartedBy.SCHEDULE, "weekly on Monday at 0:00"),),
            ),
            (
                {"schedule_frequency": "daily", "schedule_hour": 10, "schedule_minute": 5},
                (OwnTrigger(StartedBy.SCHEDULE, "daily at 10:05"),),
            ),
            (
                {"schedule_frequency": "continuous"},
                (OwnTrigger(StartedBy.SCHEDULE, "continuous"),),
            ),
            (
                {"cron_expression": "0 3 * * *"},
                (OwnTrigger(StartedBy.SCHEDULE, "cron 0 3 * * *"),),
            ),
            ({"cron_expression": "0 3 * * *", "schedule_frequency": "never"}, ()),
            ({"triggers": {}, "schedule_frequency": "hourly"}, (HOURLY,)),
            ({"triggers": {"dbt_cloud": {"project_id": "8", "job_id": "9"}}}, (DBT_JOB,)),
            ({"triggers": {"dbt_cloud": {"project_id": 8, "job_id": 9}}}, (DBT_JOB,)),
            ({"triggers": {"dbt_cloud": None, "fivetran": None}}, ()),
            ({"triggers": {"dbt_cloud": {"project_id": None, "job_id": None}}}, ()),
            (
                {"triggers": {"fivetran": {"job_id": "a_b"}}},
                (OwnTrigger(StartedBy.FIVETRAN, "job a_b"),),
            ),
            (
                {"triggers": {"sync_sequence": {"sync_id": 7}}},
                (OwnTrigger(StartedBy.SYNC_SEQUENCE, "after sync 7"),),
            ),
            (
                {"triggers": {"sync_sequence": [{"sync_id": 7}, {"sync_id": 8}]}},
                (
                    OwnTrigger(StartedBy.SYNC_SEQUENCE, "after sync 7"),
                    OwnTrigger(StartedBy.SYNC_SEQUENCE, "after sync 8"),
                ),
            ),
            ({"mode": {"type": "triggered"}}, ()),
            ({"mode": {"type": "triggered", "triggers": {"schedule": {"frequency": "never"}}}}, ()),
            ({"mode": {"type": "live"}}, (OwnTrigger(StartedBy.LIVE, ""),)),
            ({"mode": {"triggers": {"schedule": {"frequency": "hourly"}}}}, (HOURLY,)),
            (
                {
                    "mode": {"triggers": {"schedule": {"frequency": "never"}}},
                    "schedule_frequency": "hourly",
                },
                (),
            ),
            (
                {"mode": {"triggers": {"schedule": None}}, "schedule_frequency": "hourly"},
                (HOURLY,),
            ),
            (
                {
                    "mode": {"triggers": {"dbt_cloud": {"project_id": "8", "job_id": "9"}}},
                    "trigger_on_dbt_cloud_rebuild": True,
                },
                (DBT_JOB,),
            ),
            (
                {"mode": {"triggers": {"airflow": {"dag": "x"}}}},
                (OwnTrigger(StartedBy.OTHER, "airflow"),),
            ),
            ({"mode": "live", "triggers": [], "schedule_frequency": {}}, None),
            ({"mode": {}}, None),
            ({"triggers": {}}, ()),
        ],
        ids=str,
    )
    def test_are_read(self, read, fields, triggers):
        assert read(**fields).own_triggers == triggers


class TestDestination:
    @pytest.mark.parametrize(
        ("fields", "destination"),
        [
            (
                {"destination_attributes": {"connection_id": 15, "object": "user"}},
                SyncDestination(15, "user"),
            ),
            (
                {"destination_attributes": {"connection_id": "15", "object": "user"}},
                SyncDestination(15, "user"),
            ),
            (
                {"activation_id": "glad_otter", "destination_attributes": {"object": "user"}},
                SyncDestination("glad_otter", "user"),
            ),
            (
                {"activation_id": "glad_otter", "destination_attributes": {"connection_id": 15}},
                SyncDestination("glad_otter", None),
            ),
            (
                {"activation_id": None, "destination_attributes": {"connection_id": 15}},
                SyncDestination(15, None),
            ),
            ({}, SyncDestination(None, None)),
        ],
        ids=str,
    )
    def test_is_read(self, read, fields, destination):
        assert read(**fields).destination == destination


class TestMappings:
    @pytest.mark.parametrize(
        ("sent", "said"),
        [
            ("EMAIL", "EMAIL"),
            ({"type": "column", "data": "EMAIL"}, "EMAIL"),
            ({"value": "test", "basic_type": "text"}, "constant 'test'"),
            ({"type": "constant_value", "data": {"value": 7}}, "constant '7'"),
            ({"type": "sync_metadata", "data": "sync_run_id"}, "sync_metadata sync_run_id"),
            ({"type": "liquid_template", "data": {"x": 1}}, "liquid_template"),
            (None, "unknown"),
        ],
        ids=str,
    )
    def test_say_what_is_sent(self, read, sent, said):
        row = {"from": sent, "to": "id", "is_primary_identifier": True}
        assert read(mappings=[row]).mappings == (FieldMapping(said, "id", True),)


class TestOddValues:
    def test_hide_no_other(self, read):
        sync = read(
            label=7,
            status=None,
            paused="true",
            operation={},
            created_at="yesterday",
            updated_at="2021-10-22T00:43:44.173Z",
            mappings={"from": "x"},
        )
        assert (sync.label, sync.status, sync.operation, sync.created_at) == (None,) * 4
        assert sync.is_paused
        assert sync.updated_at == datetime(2021, 10, 22, 0, 43, 44, 173000, tzinfo=UTC)
        assert sync.mappings == ()

    @pytest.mark.parametrize("written", [None, "x", 0, [], 2**63])
    def test_of_an_id_are_an_error(self, read, written):
        with pytest.raises(BadArtifact, match="Expected"):
            read(id=written)


class TestTheOldestAnswers:
    """docs.getcensus.com "API", October 2021."""

    def one(self, census, sandbox, data, method):
        body = {"status": "success", "data": data}
        sandbox.census.fail_next("/", Body(json.dumps(body).encode()))
        return method(census)

    def test_of_a_source_have_no_type(self, census, sandbox):
        data = {"id": 4, "name": "Snowflake", "label": None, "last_tested_at": None}
        source = self.one(census, sandbox, data, lambda census: census.source(4))
        assert (source.name, source.type, source.last_test_succeeded) == ("Snowflake", None, None)

    def test_of_a_destination_have_credentials_and_no_objects(self, census, sandbox):
        data = {"id": 14, "name": "HubSpot", "credentials": {"token": "hidden"}}
        tool = self.one(census, sandbox, data, lambda census: census.destination(14))
        assert (tool.name, tool.type, tool.objects) == ("HubSpot", None, ())
        assert "hidden" not in repr(tool)

    def test_of_a_destination_tell_its_objects(self, census, sandbox):
        objects = [{"label": "User", "full_name": "user", "allow_custom_fields": True}]
        data = {"id": 15, "name": "Braze", "objects": objects}
        tool = self.one(census, sandbox, data, lambda census: census.destination(15))
        assert [each.full_name for each in tool.objects] == ["user"]

    def test_of_a_run_count_invalid_records_by_their_old_name(self, census, sandbox):
        data = [{"id": 94, "status": "completed", "records_invalid": 3}]
        (run,) = self.one(census, sandbox, data, lambda census: list(census.sync_runs(52)))
        assert (run.records_invalid, run.completed_at, run.full_sync) == (3, None, None)
        assert run.trigger_reason is None

    @pytest.mark.parametrize(
        ("written", "reason"),
        [
            ({"ui_tag": "Schedule", "ui_detail": None}, "Schedule"),
            ({"ui_tag": None, "ui_detail": "by\x00 API\n"}, "by\\x00 API"),
            ("API", "API"),
            ({}, None),
            ([], None),
        ],
        ids=str,
    )
    def test_of_a_run_say_what_started_it(self, census, sandbox, written, reason):
        data = [{"id": 94, "status": "completed", "sync_trigger_reason": written}]
        (run,) = self.one(census, sandbox, data, lambda census: list(census.sync_runs(52)))
        assert run.trigger_reason == reason
