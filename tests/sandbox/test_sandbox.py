"""The stand-ins do what the vendors document, over real HTTP; only the time of day is ours."""

import contextlib
import gzip
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest
import requests
from werkzeug.test import EnvironBuilder, run_wsgi_app

from relay.sandbox import Sandbox, open_sandbox, recordings, story, webhooks
from relay.sandbox.census import Refused
from relay.sandbox.census_runs import SandboxSync
from relay.sandbox.dbt_runs import (
    CANCELLED,
    ERROR,
    RUNNING,
    SUCCESS,
    SandboxRun,
    SandboxStep,
    invoke,
)
from relay.sandbox.dbt_subscriptions import SandboxSubscription
from relay.sandbox.recordings import load
from relay.sandbox.wire import (
    KEPT_REQUESTS,
    Body,
    Delay,
    HangUp,
    HangUpAfter,
    Status,
    StatusAfter,
    TruncatedBody,
)

TRIGGER = "/api/v1/syncs/5123/trigger"
BUILD = load("build")


class Clock:
    def __init__(self):
        self.now = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)

    def __call__(self):
        return self.now

    def tick(self, seconds):
        self.now += timedelta(seconds=seconds)


class Client:
    """Asks one stand-in, with the right credentials unless told otherwise."""

    def __init__(self, stand_in, root, authorization):
        self.stand_in, self.root, self.authorization = stand_in, root, authorization

    def ask(self, method, path, **kwargs):
        kwargs.setdefault("headers", {"Authorization": self.authorization})
        kwargs.setdefault("timeout", 10)
        return requests.request(method, self.stand_in.url + self.root + path, **kwargs)

    def get(self, path, **params):
        return self.ask("GET", path, params=params)

    def post(self, path, **params):
        return self.ask("POST", path, params=params)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def sandbox(clock):
    with open_sandbox(runs_take=None, clock=clock) as sandbox:
        yield sandbox


@pytest.fixture
def dbt_cloud(sandbox):
    return sandbox.dbt_cloud


@pytest.fixture
def census(sandbox):
    return sandbox.census


@pytest.fixture
def dbt(dbt_cloud):
    return Client(dbt_cloud, f"/api/v2/accounts/{story.DBT_ACCOUNT_ID}", f"Token {story.DBT_TOKEN}")


@pytest.fixture
def api(census):
    return Client(census, "/api/v1", f"Bearer {story.CENSUS_API_KEY}")


def nightly(dbt_run_id=1, **fields):
    steps = (invoke("dbt build", BUILD), invoke("dbt docs generate", load("docs_generate")))
    return SandboxRun.of(*steps, dbt_run_id=dbt_run_id, **fields)


def run_results(dbt, dbt_run_id, **params):
    return dbt.get(f"/runs/{dbt_run_id}/artifacts/run_results.json", **params)


def trigger(api, sync_id=5123):
    return api.post(f"/syncs/{sync_id}/trigger").json()["data"]["sync_run_id"]


def sync_run(api, sync_run_id):
    return api.get(f"/sync_runs/{sync_run_id}").json()["data"]


def statuses(artifact):
    return {result["unique_id"]: result["status"] for result in json.loads(artifact)["results"]}


class TestRecordings:
    def test_every_recording_loads_and_is_of_one_invocation(self):
        for name in recordings.names():
            recording = load(name)
            files = (recording.run_results, recording.sources, recording.manifest)
            ids = {json.loads(file)["metadata"]["invocation_id"] for file in files if file}
            assert len(ids) == 1, name
            assert recording.run_results or recording.sources, name

    def test_one_that_does_not_exist_says_which_do(self):
        with pytest.raises(LookupError, match="build_model_error"):
            load("nonesuch")

    def test_a_step_ends_as_its_recording_did(self):
        assert invoke("dbt build", BUILD).status == SUCCESS
        assert invoke("dbt build", load("build_model_error")).status == ERROR
        assert invoke("dbt build", load("build_test_fail")).status == ERROR
        assert invoke("dbt source freshness", load("source_freshness")).status == ERROR
        assert invoke("dbt parse").status == SUCCESS

    def test_a_changed_copy_differs_only_in_what_was_changed(self):
        orders = "model.jaffle_crm.orders"
        changed = (
            BUILD.with_results({orders: "reused"})
            .with_message(orders, "Cloned from cached relation")
            .with_args(empty=True)
        )
        expected = json.loads(BUILD.run_results)
        row = next(each for each in expected["results"] if each["unique_id"] == orders)
        row |= {"status": "reused", "message": "Cloned from cached relation"}
        expected["args"]["empty"] = True
        assert json.loads(changed.run_results) == expected
        assert changed.manifest == BUILD.manifest
        assert statuses(load("build").run_results)[orders] == "success"

    def test_a_copy_can_hold_some_of_the_nodes(self):
        only = BUILD.only("model.jaffle_crm.orders", "model.jaffle_crm.customers")
        assert list(statuses(only.run_results)) == [
            "model.jaffle_crm.orders",
            "model.jaffle_crm.customers",
        ]

    @pytest.mark.parametrize(
        "change",
        [
            lambda: BUILD.with_results({"model.jaffle_crm.nonesuch": "error"}),
            lambda: BUILD.only("model.jaffle_crm.nonesuch"),
            lambda: load("source_freshness").with_args(empty=True),
        ],
    )
    def test_what_is_not_there_cannot_be_changed(self, change):
        with pytest.raises(LookupError):
            change()

    def test_stamped_anew_an_invocation_has_other_times_and_the_same_results(self):
        at = datetime(2027, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
        stamped = recordings.stamped(BUILD.run_results, invocation_id="another", generated_at=at)
        was, now = json.loads(BUILD.run_results), json.loads(stamped)
        assert now["metadata"]["invocation_id"] == "another"
        assert now["metadata"]["generated_at"] == "2027-01-02T03:04:05.000006Z"
        assert took(now) == took(was)
        assert statuses(stamped) == statuses(BUILD.run_results)

    def test_stamping_leaves_the_times_of_the_data_alone(self):
        recorded = load("build_partial").run_results
        stamped = recordings.stamped(
            recorded, invocation_id="another", generated_at=datetime(2027, 1, 2, tzinfo=UTC)
        )
        assert batches(stamped) == batches(recorded)


def took(artifact):
    timing = next(result["timing"] for result in artifact["results"] if result["timing"])
    began = datetime.fromisoformat(timing[0]["started_at"])
    return datetime.fromisoformat(artifact["metadata"]["generated_at"]) - began


def batches(artifact):
    return [result["batch_results"] for result in json.loads(artifact)["results"]]


class TestDbtRuns:
    def test_a_run_begins_with_three_steps_that_leave_nothing(self, dbt, dbt_cloud):
        dbt_cloud.add_run(nightly())
        steps = dbt.get("/runs/1/", include_related="run_steps").json()["data"]["run_steps"]
        assert [(step["index"], step["name"]) for step in steps] == [
            (1, "Clone git repository"),
            (2, "Create profile from connection Snowflake"),
            (3, "Invoke dbt with `dbt deps`"),
            (4, "Invoke dbt with `dbt build`"),
            (5, "Invoke dbt with `dbt docs generate`"),
        ]
        commands = [step["run_step_command"] for step in steps]
        assert commands[:2] == [None, None]
        assert [command["dbt_command"] for command in commands[2:]] == [
            "dbt deps",
            "dbt build",
            "dbt docs generate",
        ]
        assert [run_results(dbt, 1, step=step).status_code for step in (1, 2, 3)] == [404] * 3

    @pytest.mark.parametrize("written", ["trigger,job,run_steps", '["trigger","job","run_steps"]'])
    def test_related_objects_come_when_they_are_asked_for(self, dbt, dbt_cloud, written):
        dbt_cloud.add_run(nightly(job_type="ci", github_pull_request_id=7, schema_override="pr_7"))
        plain = dbt.get("/runs/1/").json()["data"]
        assert (plain["trigger"], plain["job"], plain["run_steps"]) == (None, None, [])
        related = dbt.get("/runs/1/", include_related=written).json()["data"]
        assert related["trigger"]["github_pull_request_id"] == 7
        assert related["trigger"]["schema_override"] == "pr_7"
        assert related["job"]["job_type"] == "ci"
        assert related["job"]["execute_steps"] == ["dbt build", "dbt docs generate"]
        assert len(related["run_steps"]) == 5

    def test_a_run_is_an_error_if_a_step_was(self):
        failed = SandboxRun.of(invoke("dbt build", load("build_model_error")), dbt_run_id=1)
        assert failed.status == ERROR
        assert nightly().status == SUCCESS
        assert nightly(status=CANCELLED).status == CANCELLED

    def test_times_are_written_as_dbt_cloud_writes_them(self, dbt, dbt_cloud, clock):
        dbt_cloud.add_run(nightly())
        run = dbt.get("/runs/1/").json()["data"]
        assert run["finished_at"] == "2026-11-23 06:00:00.000000+00:00"
        assert datetime.fromisoformat(run["started_at"]) < clock.now

    def test_a_run_goes_on_when_it_is_added_again(self, dbt, dbt_cloud):
        dbt_cloud.add_run(nightly(status=RUNNING))
        going = dbt.get("/runs/1/").json()["data"]
        assert (going["status"], going["is_complete"], going["finished_at"]) == (3, False, None)
        assert run_results(dbt, 1, step=4).status_code == 404
        dbt_cloud.add_run(nightly())
        assert dbt.get("/runs/1/").json()["data"]["status_humanized"] == "Success"
        assert run_results(dbt, 1, step=4).status_code == 200

    def test_a_path_without_its_last_slash_is_redirected(self, dbt, dbt_cloud):
        dbt_cloud.add_run(nightly())
        answer = dbt.ask("GET", "/runs/1", allow_redirects=False)
        assert answer.status_code == 308
        assert answer.headers["Location"].endswith("/runs/1/")


class TestArtifacts:
    def test_each_step_has_its_own(self, dbt, dbt_cloud):
        dbt_cloud.add_run(nightly())
        assert run_results(dbt, 1, step=4).json()["args"]["which"] == "build"
        assert run_results(dbt, 1, step=5).json()["args"]["which"] == "generate"

    def test_without_a_step_they_are_those_of_the_last_step(self, dbt, dbt_cloud):
        dbt_cloud.add_run(nightly())
        assert run_results(dbt, 1).json() == run_results(dbt, 1, step=5).json()

    def test_a_step_without_one_is_not_found(self, dbt, dbt_cloud):
        freshness = invoke("dbt source freshness", load("source_freshness"))
        dbt_cloud.add_run(SandboxRun.of(freshness, dbt_run_id=1))
        answer = run_results(dbt, 1, step=4)
        assert answer.status_code == 404
        assert answer.json() == {
            "status": {
                "code": 404,
                "is_success": False,
                "user_message": "The requested resource was not found. "
                "Please check that you have the proper permissions.",
                "developer_message": "",
            },
            "data": None,
        }
        assert dbt.get("/runs/1/artifacts/sources.json", step=4).json()["results"]
        assert dbt.get("/runs/1/artifacts/").json()["data"] == ["manifest.json", "sources.json"]

    @pytest.mark.parametrize("step", [0, 6, 99])
    def test_a_step_that_is_none_is_not_found(self, dbt, dbt_cloud, step):
        dbt_cloud.add_run(nightly())
        assert run_results(dbt, 1, step=step).status_code == 404

    def test_they_come_compressed_to_who_understands_it(self, dbt, dbt_cloud):
        dbt_cloud.add_run(nightly())
        path, secret = "/runs/1/artifacts/manifest.json", {"Authorization": dbt.authorization}
        packed = dbt.ask("GET", path, headers=secret | {"Accept-Encoding": "gzip"}, stream=True)
        plain = dbt.ask("GET", path, headers=secret | {"Accept-Encoding": "identity"}, stream=True)
        assert packed.headers["Content-Encoding"] == "gzip"
        assert "Content-Encoding" not in plain.headers
        with packed, plain:
            assert gzip.decompress(packed.raw.read()) == plain.raw.read()

    def test_two_runs_of_one_recording_are_two_invocations(self, dbt, dbt_cloud):
        for dbt_run_id in (1, 2):
            dbt_cloud.add_run(nightly(dbt_run_id))
        first, second = (run_results(dbt, each, step=4).json() for each in (1, 2))
        assert first["metadata"]["invocation_id"] != second["metadata"]["invocation_id"]
        manifest = dbt.get("/runs/1/artifacts/manifest.json", step=4).json()
        assert manifest["metadata"]["invocation_id"] == first["metadata"]["invocation_id"]

    def test_they_were_written_while_their_step_ran(self, dbt, dbt_cloud):
        dbt_cloud.add_run(nightly())
        steps = dbt.get("/runs/1/", include_related="run_steps").json()["data"]["run_steps"]
        for step in steps[3:]:
            metadata = run_results(dbt, 1, step=step["index"]).json()["metadata"]
            written = datetime.fromisoformat(metadata["generated_at"])
            began, ended = (
                datetime.fromisoformat(step[key]) for key in ("started_at", "finished_at")
            )
            assert began < written <= ended

    def test_a_step_can_serve_the_file_of_the_one_before(self, dbt, dbt_cloud):
        build = invoke("dbt build", BUILD)
        parse = invoke("dbt parse", BUILD, invocation_id=build.invocation_id)
        dbt_cloud.add_run(SandboxRun.of(build, parse, dbt_run_id=1))
        ids = [
            run_results(dbt, 1, step=step).json()["metadata"]["invocation_id"] for step in (4, 5)
        ]
        assert ids == [build.invocation_id] * 2

    def test_a_step_can_leave_any_bytes(self, dbt, dbt_cloud):
        dbt_cloud.add_run(
            SandboxRun.of(invoke("dbt build", BUILD, run_results=b'{"results": [NaN'), dbt_run_id=1)
        )
        assert run_results(dbt, 1, step=4).content == b'{"results": [NaN'

    def test_a_step_without_an_invocation_of_its_own_is_as_recorded(self, dbt, dbt_cloud):
        step = SandboxStep("Invoke dbt with `dbt build`", command="dbt build", recording=BUILD)
        dbt_cloud.add_run(SandboxRun.of(step, dbt_run_id=1))
        assert run_results(dbt, 1, step=4).content == BUILD.run_results


class TestListOfRuns:
    @pytest.fixture(autouse=True)
    def runs(self, dbt_cloud, clock):
        for hours, fields in enumerate(
            (
                {"dbt_job_id": 10, "status": ERROR},
                {"dbt_job_id": 20, "environment_id": 7},
                {"dbt_job_id": 10, "project_id": 8},
                {"dbt_job_id": 20, "status": CANCELLED},
            ),
            start=1,
        ):
            finished_at = clock.now - timedelta(hours=hours)
            dbt_cloud.add_run(nightly(hours, finished_at=finished_at, **fields))
        dbt_cloud.add_run(nightly(5, status=RUNNING))

    @pytest.mark.parametrize(
        ("query", "ids"),
        [
            ({}, [1, 2, 3, 4, 5]),
            ({"order_by": "-id"}, [5, 4, 3, 2, 1]),
            ({"order_by": "-finished_at", "status__in": "[10, 20, 30]"}, [1, 2, 3, 4]),
            ({"job_definition_id": 10}, [1, 3]),
            ({"environment_id": 7}, [2]),
            ({"project_id": 8}, [3]),
            ({"status": 20}, [1]),
            ({"status__in": "[20,30]"}, [1, 4]),
            ({"id__gt": 3}, [4, 5]),
            (
                {"finished_at__range": '["2026-11-23T03:00:00Z", "2026-11-23T04:00:00+00:00"]'},
                [2, 3],
            ),
            ({"job_definition_id": 20, "limit": 1, "offset": 1}, [4]),
        ],
        ids=str,
    )
    def test_it_holds_what_is_asked_for(self, dbt, query, ids):
        answer = dbt.get("/runs/", **query).json()
        assert [run["id"] for run in answer["data"]] == ids
        assert answer["extra"]["pagination"]["count"] == len(ids)

    def test_it_says_how_many_there_are(self, dbt):
        extra = dbt.get("/runs/", limit=2, order_by="-id").json()["extra"]
        assert extra["pagination"] == {"count": 2, "total_count": 5}
        assert extra["order_by"] == "-id"

    def test_steps_are_not_in_it(self, dbt):
        run = dbt.get("/runs/", include_related="job,run_steps").json()["data"][0]
        assert run["job"]["id"] == 10
        assert run["run_steps"] == []

    @pytest.mark.parametrize(
        "query",
        [
            {"limit": 101},
            {"limit": "many"},
            {"order_by": "job_definition_id"},
            {"created_at__gte": "2026-11-23T00:00:00Z"},
            {"finished_at__range": "2026-11-23T00:00:00Z,2026-11-24T00:00:00Z"},
            {"finished_at__range": ["2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z"]},
            {"finished_at__range": '["yesterday", "today"]'},
            {"status__in": "10,20"},
        ],
        ids=str,
    )
    def test_what_the_api_refuses_is_refused(self, dbt, query):
        answer = dbt.get("/runs/", **query)
        assert answer.status_code == 400
        assert answer.json()["status"]["is_success"] is False
        assert answer.json()["data"]


class TestWebhookSubscriptions:
    @pytest.fixture
    def v3(self, dbt_cloud, dbt):
        root = f"/api/v3/accounts/{story.DBT_ACCOUNT_ID}/webhooks"
        return Client(dbt_cloud, root, dbt.authorization)

    def test_they_are_listed_in_the_form_of_the_docs(self, v3, clock):
        microseconds = str(int(clock.now.timestamp() * 1_000_000))
        answer = v3.get("/subscriptions").json()
        assert answer["data"] == [
            {
                "id": "wsu_2QGRb6TLFTOlBXsWjL4kb0RHTWc",
                "account_identifier": answer["data"][0]["account_identifier"],
                "name": "relay",
                "description": "",
                "job_ids": [],
                "event_types": ["job.run.completed"],
                "client_url": "http://127.0.0.1:8080/webhooks/dbt",
                "active": True,
                "created_at": microseconds,
                "updated_at": microseconds,
                "account_id": str(story.DBT_ACCOUNT_ID),
                "http_status_code": "0",
            }
        ]
        assert answer["status"] == {"code": 200}

    def test_it_is_the_one_that_sends_the_events(self, dbt_cloud, v3):
        dbt_cloud.add_run(nightly())
        event = json.loads(dbt_cloud.completed_event(1))
        subscription = v3.get("/subscriptions").json()["data"][0]
        assert (event["webhookId"], event["webhookName"]) == (
            subscription["id"],
            subscription["name"],
        )

    def test_they_come_ten_to_a_page(self, dbt_cloud, v3):
        for number in range(11):
            dbt_cloud.add_subscription(
                SandboxSubscription(webhook_id=str(number), client_url="", job_ids=(number,))
            )
        first, last = v3.get("/subscriptions").json(), v3.get("/subscriptions", offset=10).json()
        assert (len(first["data"]), len(last["data"])) == (10, 2)
        assert last["extra"] == {
            "pagination": {"total_count": 12, "count": 2},
            "filters": {"offset": 10, "limit": 10},
        }
        assert last["data"][1]["job_ids"] == ["10"]
        assert v3.get("/subscriptions", limit="few").status_code == 400

    def test_they_are_those_of_one_account_and_need_its_token(self, dbt_cloud, v3):
        other = Client(dbt_cloud, "/api/v3/accounts/1/webhooks", v3.authorization)
        assert other.get("/subscriptions").status_code == 404
        v3.authorization = "Token wrong"
        assert v3.get("/subscriptions").status_code == 401


class TestDbtCredentials:
    @pytest.mark.parametrize("scheme", ["Token", "Bearer"])
    def test_both_ways_to_write_a_token_open(self, dbt, scheme):
        dbt.authorization = f"{scheme} {story.DBT_TOKEN}"
        assert dbt.get("/runs/").status_code == 200

    @pytest.mark.parametrize("said", ["", "Token wrong", story.DBT_TOKEN])
    def test_nothing_else_does(self, dbt, said):
        dbt.authorization = said
        answer = dbt.get("/runs/")
        assert answer.status_code == 401
        assert answer.json()["status"]["user_message"] == "Invalid token."

    def test_another_account_is_not_found(self, dbt):
        dbt.root = "/api/v2/accounts/1"
        assert dbt.get("/runs/").status_code == 404

    def test_an_unknown_run_is_not_found(self, dbt):
        assert dbt.get("/runs/404/").status_code == 404


class TestWebhooks:
    def test_completed_is_the_documented_body(self, dbt_cloud):
        dbt_cloud.add_run(nightly(155144666))
        body = dbt_cloud.completed_event(155144666, event_id="wev_2QSUzWMSv40ow7s8n8TfVPVnYua")
        assert body.decode() == (
            '{"accountId":66847,"eventId":"wev_2QSUzWMSv40ow7s8n8TfVPVnYua",'
            '"timestamp":"2026-11-23T06:00:00.000000000Z","eventType":"job.run.completed",'
            '"webhookId":"wsu_2QGRb6TLFTOlBXsWjL4kb0RHTWc","webhookName":"relay",'
            '"data":{"jobId":"278164","jobName":"Nightly build","runId":"155144666",'
            '"environmentId":"187998","environmentName":"Production","dbtVersion":"1.12.6",'
            '"projectName":"Jaffle CRM","projectId":"241251","runStatus":"Success",'
            '"runStatusCode":10,"runStatusMessage":"None","runReason":"scheduled",'
            '"runStartedAt":"2026-11-23T05:59:10Z","runFinishedAt":"2026-11-23T06:00:00Z"}}'
        )

    @pytest.mark.parametrize(
        ("status", "word", "message"),
        [(ERROR, "Errored", "dbt command failed"), (CANCELLED, "Canceled", "None")],
    )
    def test_completed_tells_of_other_ends_too(self, dbt_cloud, status, word, message):
        dbt_cloud.add_run(nightly(status=status))
        data = json.loads(dbt_cloud.completed_event(1))["data"]
        assert (data["runStatusCode"], data["runStatus"]) == (status, word)
        assert data["runStatusMessage"] == message

    def test_started_and_errored_have_their_own_times(self, dbt_cloud, clock):
        run = dbt_cloud.add_run(nightly(status=ERROR))
        started, errored = (
            json.loads(event(run, dbt_account_id=1, at=clock.now))
            for event in (webhooks.started_event, webhooks.errored_event)
        )
        assert started["eventType"] == "job.run.started"
        assert started["data"]["runStatusCode"] == 3
        assert errored["eventType"] == "job.run.errored"
        assert errored["data"]["runErroredAt"] == "2026-11-23T06:00:00Z"
        assert not {"runFinishedAt", "runErroredAt"} & started["data"].keys()
        assert "runFinishedAt" not in errored["data"]

    def test_a_test_delivery_has_no_run_status(self, clock):
        event = json.loads(webhooks.endpoint_test_event(dbt_account_id=66847, at=clock.now))
        assert event["accountId"] == 66847
        assert "runStatus" not in event["data"]

    def test_each_event_has_an_id_of_its_own(self, dbt_cloud):
        dbt_cloud.add_run(nightly())
        ids = {json.loads(dbt_cloud.completed_event(1))["eventId"] for _ in range(2)}
        assert len(ids) == 2
        assert all(each.startswith("wev_") and len(each) == 31 for each in ids)


class TestSyncRuns:
    def test_a_trigger_starts_a_run(self, api):
        answer = api.post("/syncs/5123/trigger")
        assert answer.status_code == 200
        assert answer.json() == {"status": "success", "data": {"sync_run_id": 90001}}
        run = sync_run(api, 90001)
        assert (run["sync_id"], run["status"], run["full_sync"]) == (5123, "queued", False)

    def test_version_2_is_the_same(self, api):
        sync_run_id = trigger(api)
        api.root = "/api/v2"
        assert sync_run(api, sync_run_id)["id"] == sync_run_id

    def test_it_is_queued_then_works_until_it_is_finished(self, api, census, clock):
        sync_run_id = trigger(api)
        clock.tick(1)
        run = sync_run(api, sync_run_id)
        assert (run["status"], run["current_step"]) == ("working", "Running sync")
        assert (run["records_processed"], run["completed_at"]) == (None, None)
        clock.tick(59)
        census.finish(sync_run_id, records_failed=3, records_invalid=2)
        run = sync_run(api, sync_run_id)
        assert run["status"] == "completed"
        assert run["completed_at"] == "2026-11-23T06:01:00.000Z"
        counts = ("records_processed", "records_updated", "records_failed", "records_invalid")
        assert [run[key] for key in counts] == [100, 97, 3, 2]
        assert run["source_record_invalids"] == 2
        assert "current_step" not in run

    def test_or_until_the_time_it_takes_is_over(self, clock):
        with open_sandbox(runs_take=timedelta(seconds=20), clock=clock) as sandbox:
            api = Client(sandbox.census, "/api/v1", f"Bearer {story.CENSUS_API_KEY}")
            sync_run_id = trigger(api)
            clock.tick(19)
            assert sync_run(api, sync_run_id)["status"] == "working"
            clock.tick(30)
            run = sync_run(api, sync_run_id)
            assert run["status"] == "completed"
            assert run["completed_at"] == "2026-11-23T06:00:20.000Z"
            assert sync_run(api, trigger(api))["status"] == "queued"

    def test_a_failed_run_has_an_error_and_neither_counts_nor_an_end(self, api, census):
        sync_run_id = trigger(api)
        census.finish(
            sync_run_id, status="failed", error_code="JSON_ARRAY_ERROR", error_message="not JSON"
        )
        run = sync_run(api, sync_run_id)
        assert run["status"] == "failed"
        assert (run["error_code"], run["error_message"]) == ("JSON_ARRAY_ERROR", "not JSON")
        assert (run["completed_at"], run["records_processed"]) == (None, None)
        assert run["records_invalid"] == 0

    def test_a_cancelled_run_can_read_completed(self, api, census):
        sync_run_id = trigger(api)
        census.finish(sync_run_id, canceled=True)
        run = sync_run(api, sync_run_id)
        assert (run["status"], run["canceled"]) == ("completed", True)

    def test_while_one_is_going_another_is_skipped(self, api, census):
        first, second = trigger(api), trigger(api)
        assert second != first
        assert sync_run(api, second)["status"] == "skipped"
        assert sync_run(api, first)["status"] == "queued"
        census.finish(first)
        assert sync_run(api, trigger(api))["status"] == "queued"

    def test_syncs_do_not_wait_for_each_other(self, api):
        trigger(api)
        assert sync_run(api, trigger(api, 5124))["status"] == "queued"

    def test_a_going_run_can_say_a_word_nobody_knows(self, api, census):
        sync_run_id = trigger(api)
        census.say(sync_run_id, "preparing")
        assert sync_run(api, sync_run_id)["status"] == "preparing"
        census.finish(sync_run_id)
        assert sync_run(api, sync_run_id)["status"] == "completed"

    def test_a_run_ends_once(self, api, census):
        sync_run_id = trigger(api)
        census.finish(sync_run_id)
        with pytest.raises(ValueError, match="has ended"):
            census.finish(sync_run_id, status="failed")

    def test_a_full_sync_is_asked_for_in_the_query(self, api):
        sync_run_id = api.post("/syncs/5123/trigger", force_full_sync="true").json()["data"]
        assert sync_run(api, sync_run_id["sync_run_id"])["full_sync"] is True

    @pytest.mark.parametrize(
        ("why", "message"),
        [({"refuses": "Not now"}, "Not now"), ({"paused": True}, "The sync is paused.")],
        ids=["refuses", "paused"],
    )
    def test_a_refused_trigger_is_a_200_that_says_error(self, api, census, why, message):
        census.add_sync(
            SandboxSync(sync_id=1, label=None, source="x", destination_object="y", **why)
        )
        answer = api.post("/syncs/1/trigger")
        assert answer.status_code == 200
        assert answer.json() == {"status": "error", "message": message}
        with pytest.raises(Refused, match=message):
            census.trigger(1)
        assert census.sync_runs == []

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("POST", "/syncs/1/trigger"),
            ("GET", "/syncs/1"),
            ("GET", "/syncs/1/sync_runs"),
            ("GET", "/sync_runs/1"),
            ("GET", "/nonesuch"),
        ],
    )
    def test_what_does_not_exist_is_a_bare_404(self, api, method, path):
        answer = api.ask(method, path)
        assert answer.status_code == 404
        assert answer.json() == {"status": 404}


class TestListsOfCensus:
    @pytest.fixture(autouse=True)
    def thirty_runs(self, census, clock):
        for _ in range(30):
            census.finish(census.trigger(5123).sync_run_id)
            clock.tick(60)

    def test_runs_are_listed_newest_first_25_to_a_page(self, api):
        answer = api.get("/syncs/5123/sync_runs").json()
        assert [run["id"] for run in answer["data"]] == list(range(90030, 90005, -1))
        assert answer["pagination"] == {
            "total_records": 30,
            "per_page": 25,
            "prev_page": None,
            "page": 1,
            "next_page": 2,
            "last_page": 2,
        }

    def test_next_leads_to_the_last_page(self, api):
        first = api.get("/syncs/5123/sync_runs", order="asc", per_page=20).json()
        last = requests.get(
            first["next"], headers={"Authorization": api.authorization}, timeout=10
        ).json()
        assert [run["id"] for run in last["data"]] == list(range(90021, 90031))
        assert (last["next"], last["pagination"]["next_page"]) == (None, None)
        assert last["pagination"]["prev_page"] == 1

    def test_the_latest_run_is_a_page_of_one(self, api):
        answer = api.get("/syncs/5123/sync_runs", per_page=1).json()
        assert [run["id"] for run in answer["data"]] == [90030]

    def test_a_page_holds_at_most_100(self, api):
        assert (
            api.get("/syncs/5123/sync_runs", per_page=250).json()["pagination"]["per_page"] == 100
        )

    def test_a_sync_never_run_has_none(self, api):
        answer = api.get("/syncs/5124/sync_runs").json()
        assert answer["data"] == []
        assert answer["pagination"]["last_page"] == 1

    def test_syncs_are_listed(self, api):
        rows = api.get("/syncs", order="asc").json()["data"]
        assert [row["id"] for row in rows] == [sync.sync_id for sync in story.SYNCS]
        assert rows[0]["label"] == "customers to Salesforce"

    def test_a_sync_says_how_its_last_run_ended_and_what_else_starts_it(self, api, census):
        assert api.get("/syncs/5123").json()["data"]["status"] == "up to date"
        assert api.get("/syncs/5124").json()["data"]["status"] == "ready"
        census.add_sync(
            SandboxSync(
                sync_id=1,
                label=None,
                source="x",
                destination_object="y",
                paused=True,
                schedule_frequency="hourly",
                dbt_cloud_project_id="241251",
                dbt_cloud_job_id="278164",
            )
        )
        sync = api.get("/syncs/1").json()["data"]
        assert sync["paused"] is True
        assert sync["schedule_frequency"] == "hourly"
        assert sync["mode"]["triggers"] == {
            "schedule": {"frequency": "hourly"},
            "dbt_cloud": {"project_id": "241251", "job_id": "278164"},
        }


class TestCensusCredentials:
    def test_a_bearer_token_opens(self, api):
        assert api.get("/syncs").status_code == 200

    def test_so_does_the_old_form_in_the_url(self, census):
        answer = requests.get(
            f"{census.url}/api/v1/syncs", auth=("bearer", story.CENSUS_API_KEY), timeout=10
        )
        assert answer.status_code == 200

    @pytest.mark.parametrize("said", ["", "Bearer wrong", f"Token {story.CENSUS_API_KEY}"])
    def test_nothing_else_does(self, api, census, said):
        api.authorization = said
        answer = api.post("/syncs/5123/trigger")
        assert answer.status_code == 401
        assert answer.text == "HTTP Basic: Access denied.\n"
        assert census.sync_runs == []


class TestFaults:
    def test_a_status_is_answered_as_often_as_was_said(self, api, census):
        census.fail_next("/trigger", Status(503), times=2)
        assert [api.post("/syncs/5123/trigger").status_code for _ in range(3)] == [503, 503, 200]
        assert len(census.sync_runs) == 1

    def test_a_429_says_when_to_come_back(self, api, census):
        census.fail_next("/trigger", Status(429, retry_after=2))
        answer = api.post("/syncs/5123/trigger")
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "2")

    def test_an_artifact_can_be_late(self, dbt, dbt_cloud):
        dbt_cloud.add_run(nightly())
        dbt_cloud.fail_next("/artifacts/run_results.json", Status(404))
        assert run_results(dbt, 1, step=4).json()["status"]["code"] == 404
        assert run_results(dbt, 1, step=4).status_code == 200

    def test_hanging_up_does_nothing(self, api, census):
        census.fail_next("/trigger", HangUp())
        with pytest.raises(requests.ConnectionError):
            api.post("/syncs/5123/trigger")
        assert census.sync_runs == []

    @pytest.mark.parametrize("fault", [HangUpAfter(), TruncatedBody()])
    def test_an_answer_can_be_lost_after_the_work(self, api, census, fault):
        census.fail_next("/trigger", fault)
        with pytest.raises(requests.RequestException):
            api.post("/syncs/5123/trigger")
        assert [run.sync_id for run in census.sync_runs] == [5123]

    def test_a_gateway_can_give_up_after_the_work(self, api, census):
        census.fail_next("/trigger", StatusAfter(502))
        assert api.post("/syncs/5123/trigger").status_code == 502
        assert len(census.sync_runs) == 1

    def test_an_answer_can_come_too_late(self, api, census):
        census.fail_next("/trigger", Delay(60))
        with pytest.raises(requests.ReadTimeout):
            api.ask("POST", "/syncs/5123/trigger", timeout=0.2)
        assert len(census.sync_runs) == 1

    def test_another_body_can_come(self, api, census):
        census.fail_next("/sync_runs", Body(b"<html>", status=200, content_type="text/html"))
        answer = api.get("/syncs/5123/sync_runs")
        assert (answer.content, answer.headers["Content-Type"]) == (b"<html>", "text/html")

    def test_faults_are_met_in_the_order_they_were_asked_for(self, api, census):
        census.fail_next("GET /api/v1/sync_runs", Status(500))
        census.fail_next("/sync", Status(503))
        census.fail_next("/sync", Status(504))
        sync_run_id = census.trigger(5123).sync_run_id
        codes = [api.get(f"/sync_runs/{sync_run_id}").status_code for _ in range(4)]
        assert codes == [500, 503, 504, 200]

    def test_a_status_may_be_one_that_has_no_name(self, api, census, dbt, dbt_cloud):
        census.fail_next("", Status(520))
        dbt_cloud.fail_next("", Status(520))
        assert api.get("/syncs").status_code == 520
        assert dbt.get("/runs/").json()["status"]["code"] == 520

    def test_healing_forgets_them(self, api, census):
        census.fail_next("", HangUp(), times=1000)
        census.heal()
        assert api.get("/syncs").status_code == 200

    def test_every_request_is_in_the_journal(self, api, census, clock):
        census.fail_next("/trigger", HangUp())
        with pytest.raises(requests.ConnectionError):
            api.post("/syncs/5123/trigger", force_full_sync="true")
        api.get("/syncs")
        seen = census.requests[0]
        assert (seen.method, seen.path, seen.query) == ("POST", TRIGGER, "force_full_sync=true")
        assert seen.at == clock.now
        assert [seen.path for seen in census.requests_to("GET ")] == ["/api/v1/syncs"]


def codes_of(api, number):
    return [api.get("/syncs").status_code for _ in range(number)]


class TestFaultsAtRandom:
    FAULTS = (Status(500), Status(429, retry_after=1), StatusAfter(503))

    def test_about_that_share_of_the_requests_meets_one(self, api, census):
        census.fail_at_random(0.25, self.FAULTS, seed=1)
        codes = codes_of(api, 100)
        assert 15 < 100 - codes.count(200) < 35
        assert set(codes) == {200, 500, 429, 503}

    @pytest.mark.parametrize(("share", "codes"), [(0, {200}), (1, {500, 429, 503})])
    def test_it_may_be_none_or_all(self, api, census, share, codes):
        census.fail_at_random(share, self.FAULTS, seed=1)
        assert set(codes_of(api, 30)) == codes

    def test_the_same_seed_has_the_same_faults(self, api, census):
        seeds = {}
        for seed in (1, 2, 1):
            census.fail_at_random(0.5, self.FAULTS, seed=seed)
            codes = codes_of(api, 30)
            assert seeds.setdefault(seed, codes) == codes
        assert seeds[1] != seeds[2]

    def test_so_it_has_for_many_threads_together(self, api, census):
        census.fail_at_random(0.5, self.FAULTS, seed=1)
        alone = codes_of(api, 60)
        census.fail_at_random(0.5, self.FAULTS, seed=1)
        with ThreadPoolExecutor(6) as threads:
            together = threads.map(lambda _: codes_of(api, 10), range(6))
        assert sorted(code for codes in together for code in codes) == sorted(alone)

    def test_one_that_was_asked_for_goes_first_and_moves_no_other(self, api, census):
        census.fail_at_random(0.5, self.FAULTS, seed=1)
        codes = codes_of(api, 30)
        census.fail_at_random(0.5, self.FAULTS, seed=1)
        census.fail_next("/syncs", Status(418))
        assert codes_of(api, 30) == [418, *codes[1:]]

    def test_healing_ends_it(self, api, census):
        census.fail_at_random(1, self.FAULTS, seed=1)
        census.heal()
        assert set(codes_of(api, 10)) == {200}

    @pytest.mark.parametrize(("share", "faults"), [(1.5, FAULTS), (-0.1, FAULTS), (0.5, ())])
    def test_what_makes_no_sense_is_refused(self, census, share, faults):
        with pytest.raises(ValueError, match=r"share|fault"):
            census.fail_at_random(share, faults, seed=1)

    @pytest.mark.parametrize("vendor", ["census", "dbt_cloud"])
    def test_what_passes_has_every_kind_of_fault(self, sandbox, vendor):
        faults = getattr(sandbox, vendor).passing_faults
        kinds = {Status, StatusAfter, HangUp, HangUpAfter, Delay, Body, TruncatedBody}
        assert set(map(type, faults)) == kinds

    def test_no_passing_fault_of_censuses_is_a_refusal(self, sandbox):
        codes = [
            each.code if isinstance(each, Status) else each.status
            for each in sandbox.census.passing_faults
            if isinstance(each, Status | Body)
        ]
        assert all(code == 429 or code >= 500 for code in codes)


class TestJournal:
    def ask(self, census, path, times=1):
        environ = EnvironBuilder(path).get_environ()
        for _ in range(times):
            run_wsgi_app(census, environ, buffered=True)

    def test_only_the_newest_requests_are_kept_and_all_are_counted(self, census):
        census.fail_next("", Status(500), times=10 * KEPT_REQUESTS)
        self.ask(census, "/api/v1/syncs")
        self.ask(census, "/api/v1/sync_runs/1", times=KEPT_REQUESTS - 1)
        self.ask(census, "/api/v1/sync_runs/23")
        kept = census.requests
        assert len(kept) == KEPT_REQUESTS
        assert kept[0].path == "/api/v1/sync_runs/1"
        assert kept[-1].path == "/api/v1/sync_runs/23"
        assert census.request_counts == {
            "GET /api/v1/syncs": 1,
            "GET /api/v1/sync_runs/*": KEPT_REQUESTS,
        }


class TestServer:
    def test_the_date_header_tells_the_stand_ins_time(self, api, clock):
        assert parsedate_to_datetime(api.get("/syncs").headers["Date"]) == clock.now

    def test_many_threads_start_one_run_and_skip_the_others(self, api, census):
        with ThreadPoolExecutor(16) as threads:
            ids = list(threads.map(lambda _: trigger(api), range(64)))
        assert len(set(ids)) == 64
        going = [run for run in census.sync_runs if run.end is None]
        assert len(going) == 1

    def test_stopping_closes_the_ports_and_leaves_no_thread(self):
        before = threading.active_count()
        with open_sandbox() as sandbox:
            url = sandbox.census.url
            assert url != sandbox.dbt_cloud.url
            assert threading.active_count() == before + 2
        assert threading.active_count() == before
        with pytest.raises(requests.ConnectionError):
            requests.get(url, timeout=10)

    def test_it_says_nothing(self, api, capfd):
        api.get("/syncs")
        api.get("/nonesuch")
        assert capfd.readouterr() == ("", "")

    def test_a_given_port_is_taken(self):
        with open_sandbox() as first:
            port = int(first.census.url.rpartition(":")[2])
        with Sandbox(first.dbt_cloud, first.census, census_port=port) as again:
            assert again.census.url.endswith(f":{port}")


def came_through(client, path, number):
    """How many of so many questions got a whole answer that was one."""
    through = 0
    for _ in range(number):
        with contextlib.suppress(requests.RequestException):
            answer = client.get(path)
            through += answer.ok and "json" in answer.headers["Content-Type"]
    return through


class TestControl:
    def control(self, sandbox, method, path, body=None):
        url = f"{sandbox.dbt_cloud.url}/sandbox/{path}"
        return requests.request(method, url, json=body, timeout=10)

    def test_the_state_holds_runs_and_requests(self, sandbox, api):
        trigger(api)
        self.control(sandbox, "POST", "dbt_runs")
        state = self.control(sandbox, "GET", "state").json()
        assert state["dbt_runs"][0]["dbt_run_id"] == story.FIRST_DBT_RUN_ID
        assert state["dbt_runs"][0]["status"] == "Success"
        assert state["sync_runs"] == [{"sync_run_id": 90001, "sync_id": 5123, "status": "queued"}]
        assert len(state["syncs"]) == len(story.SYNCS)
        assert state["requests"]["dbt_cloud"] == []
        assert state["requests"]["census"][0].endswith(f"POST {TRIGGER}")
        counts = {"dbt_cloud": {}, "census": {"POST /api/v1/syncs/*/trigger": 1}}
        assert state["request_counts"] == counts

    def test_a_sync_run_can_be_finished(self, sandbox, api):
        sync_run_id = trigger(api)
        answer = self.control(sandbox, "POST", f"finish/{sync_run_id}", {"records_failed": 3})
        assert answer.json()["status"] == "completed"
        assert sync_run(api, sync_run_id)["records_failed"] == 3
        assert self.control(sandbox, "POST", f"finish/{sync_run_id}").status_code == 400
        assert self.control(sandbox, "POST", "finish/1").status_code == 404

    def test_requests_can_be_made_to_fail(self, sandbox, api):
        fault = {"stand_in": "census", "path": "/trigger", "status": 503}
        assert self.control(sandbox, "POST", "fail", fault).status_code == 200
        assert api.post("/syncs/5123/trigger").status_code == 503
        self.control(sandbox, "POST", "fail", fault | {"status": None, "hang_up": "after"})
        with pytest.raises(requests.ConnectionError):
            api.post("/syncs/5123/trigger")
        assert len(sandbox.census.sync_runs) == 1

    def test_requests_can_be_made_to_fail_at_random(self, sandbox, api, dbt):
        wish = {"stand_in": "census", "share": 1, "seed": 7}
        answer = self.control(sandbox, "POST", "fail_at_random", wish).json()
        assert (answer["share"], answer["seed"]) == (1, 7)
        assert list(answer["faults"]) == ["census"]
        assert "HangUpAfter()" in answer["faults"]["census"]
        assert came_through(api, "/syncs", 20) < 10  # these were only late
        assert came_through(dbt, "/runs/", 20) == 20
        self.control(sandbox, "POST", "fail_at_random", {"share": 0})
        assert came_through(api, "/syncs", 20) == 20

    def test_by_default_a_tenth_of_both_does(self, sandbox, api, dbt):
        answer = self.control(sandbox, "POST", "fail_at_random").json()
        assert (answer["share"], list(answer["faults"])) == (0.1, ["dbt_cloud", "census"])
        assert 80 <= came_through(api, "/syncs", 100) < 100
        assert 80 <= came_through(dbt, "/runs/", 100) < 100

    @pytest.mark.parametrize(
        ("path", "body"),
        [
            ("fail", {"stand_in": "hightouch", "path": ""}),
            ("fail", {"pth": "/"}),
            ("fail", []),
            ("fail_at_random", {"stand_in": "hightouch"}),
            ("fail_at_random", {"share": 1.1}),
            ("fail_at_random", {"share": "0.1"}),
        ],
    )
    def test_a_wrong_wish_is_told_so(self, sandbox, path, body):
        answer = self.control(sandbox, "POST", path, body)
        assert answer.status_code == 400
        assert answer.json()["error"]

    def test_a_dbt_run_can_be_made_and_comes_with_its_event(self, sandbox, dbt):
        events = [
            self.control(sandbox, "POST", "dbt_runs", body).json()
            for body in (None, {"recording": "build_model_error"})
        ]
        assert [event["data"]["runStatusCode"] for event in events] == [10, 20]
        assert dbt.get(f"/runs/{events[1]['data']['runId']}/").json()["data"]["status"] == 20
        assert self.control(sandbox, "POST", "dbt_runs", {"recording": "x"}).status_code == 404


class TestStory:
    def test_the_nightly_run_ends_with_docs_that_call_everything_a_success(self, dbt, dbt_cloud):
        dbt_cloud.add_run(story.nightly_run())
        last = run_results(dbt, story.FIRST_DBT_RUN_ID)
        assert last.json()["args"]["which"] == "generate"
        assert set(statuses(last.content).values()) == {"success"}

    def test_after_an_error_there_are_no_docs(self):
        run = story.nightly_run(recording="build_model_error")
        assert run.status == ERROR
        assert [step.command for step in run.invocations] == ["dbt build"]

    def test_every_sync_reads_a_model_of_the_project(self):
        nodes = json.loads(BUILD.manifest)["nodes"]
        for sync in story.SYNCS:
            assert f"model.jaffle_crm.{sync.source}" in nodes
            assert f"sync_id: {sync.sync_id}\n    name: {sync.label}\n" in story.MAPPING
            assert f"depends_on: [{sync.source}]" in story.MAPPING
