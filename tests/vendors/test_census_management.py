"""What a workspace of Census holds becomes values, or a clear error: in both versions."""

import json
import logging
from itertools import islice

import pytest
from census_workspace import DATASET, SALESFORCE, add_every_kind, management_of

from relay.census.objects import OtherObject
from relay.census.syncs import (
    CohortSource,
    DatasetSource,
    ModelSource,
    OtherSource,
    SegmentSource,
    StartedBy,
    TableSource,
)
from relay.errors import BadArtifact, Rejected, Unanswered, Unavailable
from relay.sandbox.census_runs import SandboxSync
from relay.sandbox.wire import Body, Delay, HangUp, HangUpAfter, Status, TruncatedBody

METHODS = {
    "syncs": lambda census: list(census.syncs()),
    "sync": lambda census: census.sync(5123),
    "sync_runs": lambda census: list(census.sync_runs(5123)),
    "sources": lambda census: list(census.sources()),
    "source": lambda census: census.source(4),
    "source_objects": lambda census: list(census.source_objects(4)),
    "source_model": lambda census: census.source_model(4, 15),
    "source_table": lambda census: census.source_table(4, 901),
    "datasets": lambda census: list(census.datasets()),
    "dataset": lambda census: census.dataset(77),
    "destinations": lambda census: list(census.destinations()),
    "destination": lambda census: census.destination(census.tool),
    "destination_objects": lambda census: list(census.destination_objects(census.tool)),
    "destination_object": lambda census: census.destination_object(census.tool, "Contact"),
    "cancel_sync_run": lambda census: census.cancel_sync_run(90001),
    "create_sync": lambda census: census.create_sync(b"{}", read_seconds=5),
}
READING = [name for name in METHODS if name not in ("cancel_sync_run", "create_sync")]
LISTING = [name for name in READING if name.endswith("s")]


@pytest.fixture(name="census", params=["v1", "v2"])
def _census(request, sandbox):
    return management_of(sandbox, version=request.param)


class TestSyncs:
    def test_are_listed_oldest_first(self, census):
        assert [sync.sync_id for sync in census.syncs()] == [5123, 5124, 5125, 5126]

    def test_one_has_all_that_census_says(self, census):
        sync = census.sync(5123)
        assert (sync.sync_id, sync.label) == (5123, "customers to Salesforce")
        assert (sync.status, sync.operation, sync.is_paused) == ("ready", "upsert", False)
        assert sync.connection_id == 4
        assert sync.source == TableSource("jaffle_crm", "analytics", "customers")
        assert sync.destination.destination_id == census.tool
        assert sync.destination.object == "Contact"
        assert sync.own_triggers == ()
        assert [(each.source, each.field) for each in sync.mappings] == [("email", "external_id")]
        assert sync.mappings[0].is_primary_identifier
        assert sync.created_at.year == sync.updated_at.year == 2021

    def test_that_is_paused_says_so(self, census, sandbox):
        sandbox.census.change_sync(5123, paused=True)
        assert census.sync(5123).is_paused

    @pytest.mark.parametrize(
        ("sync_id", "source"),
        [
            (1, TableSource("jaffle_crm", "analytics", "orders")),
            (2, DatasetSource(77)),
            (3, SegmentSource(31, 77)),
            (4, CohortSource(12, 77)),
            (
                5,
                ModelSource(
                    model_id=15, name="saved", query="select *\nfrom orders -- all\nwhere true"
                ),
            ),
            (
                6,
                ModelSource(
                    model_id=16,
                    name="dim_customers",
                    query="select 1",
                    compiled_query="select 2",
                    dataset_id=77,
                ),
            ),
            (7, OtherSource("topic")),
        ],
    )
    def test_of_every_kind_name_their_source(self, census, sandbox, sync_id, source):
        add_every_kind(sandbox)
        assert census.sync(sync_id).source == source

    @pytest.mark.parametrize(
        ("fields", "started_by", "detail"),
        [
            ({"schedule_frequency": "hourly", "schedule_minute": 5}, "schedule", "at minute 5"),
            (
                {"schedule_frequency": "expression", "cron_expression": "0 3 * * *"},
                "schedule",
                "0 3",
            ),
            (
                {"dbt_cloud_project_id": "1", "dbt_cloud_job_id": "278164"},
                "dbt_cloud",
                "job 278164",
            ),
            ({"fivetran_job_id": "a_b", "fivetran_job_name": "crm"}, "fivetran", "job crm"),
            ({"after_sync_id": 5124}, "sync_sequence", "after sync 5124"),
            ({"live": True}, "live", ""),
        ],
        ids=str,
    )
    def test_say_what_starts_them_in_census(self, census, sandbox, fields, started_by, detail):
        sandbox.census.change_sync(5123, **fields)
        (trigger,) = census.sync(5123).own_triggers
        assert trigger.by is StartedBy(started_by)
        assert detail in trigger.detail

    def test_can_be_started_in_several_ways(self, census, sandbox):
        sandbox.census.change_sync(
            5123, schedule_frequency="daily", schedule_hour=10, after_sync_id=1, live=True
        )
        sync = census.sync(5123)
        assert sync.is_live
        assert [str(each) for each in sync.own_triggers] == [
            "live",
            "schedule (daily at 10:00)",
            "sync sequence (after sync 1)",
        ]

    def test_that_are_gone_are_told_so(self, census):
        with pytest.raises(Rejected, match=r"HTTP 404.*is sync_id 9 right, and in this workspace"):
            census.sync(9)


class TestSyncRuns:
    def test_come_newest_first_and_a_page_at_a_time(self, census, sandbox):
        for _ in range(60):
            sandbox.census.finish(sandbox.census.trigger(5123).sync_run_id)
        newest = [run.sync_run_id for run in islice(census.sync_runs(5123), 30)]
        assert newest == list(range(90060, 90030, -1))
        assert len(sandbox.census.requests_to("/sync_runs")) == 2

    def test_hold_times_and_what_started_them(self, census, sandbox):
        sandbox.census.finish(sandbox.census.trigger(5123, full_sync=True).sync_run_id)
        (run,) = census.sync_runs(5123)
        assert run.created_at <= run.completed_at <= run.updated_at
        assert run.full_sync is True
        assert run.trigger_reason == "Manual: Manually triggered by test@getcensus.com"

    def test_can_be_cancelled(self, census, sandbox):
        sync_run_id = sandbox.census.trigger(5123).sync_run_id
        census.cancel_sync_run(sync_run_id)
        assert sandbox.census.sync_run(sync_run_id).end.canceled

    def test_that_are_unknown_cannot_be_cancelled(self, census):
        with pytest.raises(Rejected, match="is sync run 9 of this workspace"):
            census.cancel_sync_run(9)

    @pytest.mark.parametrize("word", ["cancelled", "canceled", "success"])
    def test_are_cancelled_in_either_spelling(self, census, sandbox, word):
        sandbox.census.fail_next("/cancel", Body(b'{"status":"%s","data":{}}' % word.encode()))
        census.cancel_sync_run(90001)

    @pytest.mark.parametrize("answer", [b"<html>", b"", b'{"status":"pending","data":{}}'])
    def test_may_be_cancelled_where_the_answer_is_not_understood(self, census, sandbox, answer):
        sandbox.census.fail_next("/cancel", Body(answer))
        with pytest.raises(Unanswered, match="HTTP 200"):
            census.cancel_sync_run(90001)


class TestSources:
    def test_are_listed(self, census):
        (source,) = census.sources()
        assert source == census.source(4)
        assert (source.source_id, source.type) == (4, "snowflake")
        assert source.last_test_succeeded is True
        assert source.last_tested_at.year == 2021

    def test_hold_tables_models_and_segments(self, census, sandbox):
        add_every_kind(sandbox)
        objects = list(census.source_objects(4))
        assert [str(each.table) for each in objects[:5]] == [
            "jaffle_crm.analytics.customers",
            "jaffle_crm.analytics.Orders for the CRM",
            "jaffle_crm.analytics.fct_revenue",
            "jaffle_crm.analytics.fct_tickets",
            "jaffle_crm.analytics.orders",
        ]
        assert [each.model_id for each in objects[5:7]] == [15, 16]
        assert objects[7].segment == SegmentSource(31, 77)

    def test_have_objects_at_the_older_path_too(self, census, sandbox):
        sandbox.census.fail_next("/objects", Status(404))
        assert len(list(census.source_objects(4))) == 4
        assert len(sandbox.census.requests_to("/data_sources")) == 1

    def test_that_are_unknown_are_told_so_at_either_path(self, census, sandbox):
        with pytest.raises(Rejected, match="is there a source 9 in this workspace"):
            list(census.source_objects(9))

    def test_are_asked_at_one_path_only_where_the_key_is_wrong(self, census, sandbox):
        sandbox.census.fail_next("/objects", Status(403))
        with pytest.raises(Rejected, match="HTTP 403"):
            list(census.source_objects(4))
        assert sandbox.census.requests_to("/data_sources") == []

    def test_are_not_read_again_where_a_later_page_is_not_found(self, census, sandbox):
        first = b'{"status":"success","next":"?page=2","data":[{"id":7,"type":"stream"}]}'
        sandbox.census.fail_next("/objects", Body(first))
        sandbox.census.fail_next("/objects", Status(404))
        objects = census.source_objects(4)
        assert next(objects).object_id == 7
        with pytest.raises(Rejected, match="HTTP 404"):
            next(objects)
        assert sandbox.census.requests_to("/data_sources") == []

    def test_may_hold_what_relay_does_not_know(self, census, sandbox):
        rows = b'{"status":"success","data":[{"id":7,"type":"stream","name":"clicks"}]}'
        sandbox.census.fail_next("/objects", Body(rows))
        known = OtherObject(object_id=7, type="stream", name="clicks")
        assert list(census.source_objects(4)) == [known]

    def test_have_a_table_with_its_columns(self, census):
        table = census.source_table(4, 901)
        assert str(table.table) == "jaffle_crm.analytics.customers"
        assert [(each.name, each.type) for each in table.columns] == [
            ("ID", "text"),
            ("EMAIL", "text"),
        ]

    def test_have_a_model_with_its_columns(self, census, sandbox):
        add_every_kind(sandbox)
        model = census.source_model(4, 16)
        assert (model.name, model.compiled_query) == ("dim_customers", "select 2")
        assert len(model.columns) == 2


class TestDatasets:
    def test_are_listed_with_their_queries(self, census, sandbox):
        add_every_kind(sandbox)
        (dataset,) = census.datasets()
        assert dataset == census.dataset(77)
        assert (dataset.dataset_id, dataset.name, dataset.type) == (77, "customers", "sql")
        assert (dataset.source_id, dataset.query) == (4, DATASET.query)
        assert dataset.columns[0].type == "text"

    def test_can_be_forbidden(self, census, sandbox):
        sandbox.census.fail_next("/datasets", Status(403))
        with pytest.raises(Rejected, match="HTTP 403"):
            list(census.datasets())


class TestDestinations:
    def test_are_listed(self, census):
        listed = list(census.destinations())
        assert [each.type for each in listed] == [
            "salesforce",
            "hubspot",
            "google_sheets",
            "zendesk",
        ]
        assert listed[0].destination_id == census.tool
        assert (listed[0].name, listed[0].last_test_succeeded) == ("Salesforce Production", True)

    def test_have_objects_with_fields(self, census):
        assert census.destination(census.tool).type == "salesforce"
        (listed,) = census.destination_objects(census.tool)
        assert listed == census.destination_object(census.tool, "Contact")
        assert listed.operations == ("append", "insert", "mirror", "update", "upsert")
        key, other = listed.fields
        assert (key.full_name, key.is_required, key.can_be_key) == ("external_id", True, True)
        assert (other.full_name, other.is_required, other.can_be_key) == ("email", False, False)

    @pytest.mark.parametrize("full_name", ['{"sheet":"a/b","id":"1"}', "sync:a b", "50%/ü?#"])
    def test_have_objects_whose_name_is_no_word(self, census, sandbox, full_name):
        sandbox.census.add_sync(
            SandboxSync(
                sync_id=1,
                label=None,
                source="x",
                destination=SALESFORCE,
                destination_object=full_name,
            )
        )
        assert census.destination_object(census.tool, full_name).full_name == full_name

    def test_that_are_unknown_are_told_so(self, census):
        with pytest.raises(Rejected, match="is there a destination 99 in this workspace"):
            census.destination(99)
        with pytest.raises(Rejected, match="an object 'Lead'"):
            census.destination_object(census.tool, "Lead")


class TestCreating:
    @pytest.fixture(name="asked")
    def _asked(self, census):
        return {
            "label": "orders to Salesforce",
            "operation": "upsert",
            "paused": True,
            "alert_attributes": [],
            "mode": {"type": "triggered", "triggers": {"schedule": {"frequency": "never"}}},
            "source_attributes": {"connection_id": 4, "object": {"type": "table", "id": 902}},
            "destination_attributes": {"connection_id": 15, "object": "Contact"},
            "activation_id": "glimmering_donkey",
            "mappings": [
                {
                    "from": {"type": "column", "data": "ID"},
                    "to": "external_id",
                    "is_primary_identifier": True,
                }
            ],
        }

    def create(self, census, asked):
        return census.create_sync(json.dumps(asked).encode(), read_seconds=5)

    def test_makes_a_sync_that_can_be_triggered(self, census, sandbox, asked):
        made = self.create(census, asked)
        assert (made.http_status, made.word, made.sync_id) == (201, "created", 5127)
        assert made.is_ok
        assert not made.is_refused
        sync = census.sync(made.sync_id)
        assert (sync.label, sync.is_paused, sync.own_triggers) == (asked["label"], True, ())
        sandbox.census.change_sync(made.sync_id, paused=False)
        assert sandbox.census.trigger(made.sync_id).sync_id == made.sync_id

    def test_can_be_only_a_validation(self, census, sandbox, asked):
        validated = self.create(census, asked | {"validate_only": True})
        assert (validated.sync_id, validated.is_ok, validated.is_refused) == (None, True, False)
        assert len(sandbox.census.syncs) == 4

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"mappings": [{"to": "x"}]}, "mappings must have 'from' attribute"),
            (
                {"source_attributes": {"connection_id": 4, "object": {"type": "table"}}},
                "missing table parameters",
            ),
            ({"source_attributes": {"connection_id": 4, "object": {}}}, "missing type field"),
            ({"alert_attributes": [{}]}, "sync_alert_configurations is invalid"),
        ],
        ids=str,
    )
    def test_is_refused_in_census_own_words(self, census, sandbox, asked, change, said):
        refused = self.create(census, asked | change)
        assert (refused.http_status, refused.word, refused.sync_id) == (400, "error", None)
        assert refused.is_refused
        assert refused.said == said
        assert len(sandbox.census.syncs) == 4

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (Body(b"<html>Oops\x1b[2J</html>", 500, "text/html"), "<html>Oops\\x1b[2J</html>"),
            (Body(b"", 500), ""),
            (Body(b'{"status":500,"message":"An error happened"}', 500), "An error happened"),
            (
                Body(b'{"status":"created","data":{"id":7}}', 201),
                '{"status":"created","data":{"id":7}}',
            ),
            (Body(b"null", 201), "null"),
        ],
        ids=str,
    )
    def test_an_answer_that_is_not_understood_is_kept_with_code_and_text(
        self, census, sandbox, asked, answer, said
    ):
        sandbox.census.fail_next("POST", answer)
        odd = self.create(census, asked)
        assert (odd.http_status, odd.sync_id, odd.said) == (answer.status, None, said)
        assert not odd.is_refused

    def test_is_sent_as_json_and_once(self, census, sandbox, asked):
        sandbox.census.fail_next("POST", HangUpAfter())
        with pytest.raises(Unanswered, match=r"POST /api/v[12]/syncs at Census: the connection"):
            self.create(census, asked)
        assert len(sandbox.census.requests_to("POST")) == 1
        assert len(sandbox.census.syncs) == 5

    def test_waits_as_long_as_it_is_told(self, census, sandbox, asked):
        sandbox.census.fail_next("POST", Delay(5))
        with pytest.raises(Unanswered, match=r"no response from .* in time"):
            census.create_sync(json.dumps(asked).encode(), read_seconds=0.2)

    def test_did_nothing_where_census_was_asked_too_often(self, census, sandbox, asked):
        sandbox.census.fail_next("POST", Status(429, retry_after=30))
        with pytest.raises(Unavailable) as resting:
            self.create(census, asked)
        assert resting.value.retry_after == 30


class TestFaults:
    @pytest.mark.parametrize("name", METHODS)
    @pytest.mark.parametrize("status", [401, 403])
    def test_a_wrong_key_is_named(self, census, sandbox, name, status):
        sandbox.census.fail_next("/", Status(status))
        if name == "create_sync":
            assert METHODS[name](census).is_refused
            return
        with pytest.raises(Rejected, match=f"HTTP {status}.*is the API key right"):
            METHODS[name](census)

    @pytest.mark.parametrize("name", METHODS)
    def test_too_many_requests_say_when_to_come_back(self, census, sandbox, name):
        sandbox.census.fail_next("/", Status(429, retry_after=30))
        with pytest.raises(Unavailable, match="at Census: HTTP 429") as resting:
            METHODS[name](census)
        assert resting.value.retry_after == 30

    @pytest.mark.parametrize("name", READING)
    @pytest.mark.parametrize(
        ("fault", "said"),
        [
            (Status(500), "GET /api/v[12]/.* at Census: HTTP 500"),
            (Status(503), "HTTP 503"),
            (HangUp(), "closed without a response"),
            (TruncatedBody(), "the response ended too early"),
        ],
        ids=str,
    )
    def test_what_broke_on_the_way_says_what_was_asked(self, census, sandbox, name, fault, said):
        add_every_kind(sandbox)
        sandbox.census.fail_next("/", fault)
        with pytest.raises(Unavailable, match=said):
            METHODS[name](census)

    @pytest.mark.parametrize("name", READING)
    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (b"<html>Sign in</html>", "HTTP 200: <html>Sign in</html>"),
            (b"", "HTTP 200"),
            (b'{"status":"success","data":7}', "its data cannot be read: Expected"),
            (b'{"status":"success"}', "its data cannot be read: Expected"),
        ],
    )
    def test_what_is_no_answer_of_census_is_told(self, census, sandbox, name, answer, said):
        sandbox.census.fail_next("/", Body(answer))
        with pytest.raises(BadArtifact, match=said):
            METHODS[name](census)

    @pytest.mark.parametrize("name", READING)
    def test_an_error_in_a_success_is_told(self, census, sandbox, name):
        sandbox.census.fail_next("/", Body(b'{"status":"error","message":"No such thing"}'))
        with pytest.raises(Rejected, match="HTTP 200: No such thing"):
            METHODS[name](census)

    @pytest.mark.parametrize("name", LISTING)
    def test_a_row_that_cannot_be_read_is_named(self, census, sandbox, name):
        row = b'{"id":-7,"full_name":7,"status":[]}'
        sandbox.census.fail_next("/", Body(b'{"status":"success","data":[%s]}' % row))
        said = r"row -7 of Census's list of .* cannot be read: Expected"
        with pytest.raises(BadArtifact, match=said):
            METHODS[name](census)

    @pytest.mark.parametrize(
        ("row", "name"),
        [
            (b'{"full_name":7}', "7"),
            (b'{"label":"Contact"}', "without an id"),
            (b"[]", "without an id"),
        ],
    )
    def test_a_row_without_an_id_has_its_name_or_none(self, census, sandbox, row, name):
        sandbox.census.fail_next("/", Body(b'{"status":"success","data":[%s]}' % row))
        with pytest.raises(BadArtifact, match=rf"row {name} of .*'s objects cannot be read"):
            METHODS["destination_objects"](census)

    @pytest.mark.parametrize(("version", "other"), [("v1", "v2"), ("v2", "v1")])
    def test_a_key_of_one_version_is_refused_by_the_other(self, sandbox, version, other):
        sandbox.census.options = sandbox.census.options.__class__(versions=(version,))
        assert len(list(management_of(sandbox, version=version).syncs())) == 4
        with pytest.raises(Rejected, match=r"HTTP 401.*is the API key right"):
            list(management_of(sandbox, version=other).syncs())

    @pytest.mark.parametrize("name", METHODS)
    def test_nothing_secret_is_in_a_value_or_a_log(self, census, sandbox, name, caplog):
        """The simulator's answers have the details of connections that the vendor documents."""
        caplog.set_level(logging.DEBUG, logger="relay")
        add_every_kind(sandbox)
        sandbox.census.trigger(5123)
        value = repr(METHODS[name](census))
        for secret in ("TEST", "iad-03.braze", "DEV", "secret-token:sandbox"):
            assert secret not in value + caplog.text
