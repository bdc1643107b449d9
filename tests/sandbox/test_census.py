"""Census's API: sync runs, lists, credentials."""

from datetime import timedelta

import pytest
import requests

from relay.sandbox import open_sandbox, story
from relay.sandbox.census import Refused
from relay.sandbox.census_runs import SandboxSync
from sandbox.clients import CensusClient


class TestSyncRuns:
    def test_a_trigger_starts_a_run(self, api):
        answer = api.post("/syncs/5123/trigger")
        assert answer.status_code == 200
        assert answer.json() == {"status": "success", "data": {"sync_run_id": 90001}}
        run = api.sync_run(90001)
        assert (run["sync_id"], run["status"], run["full_sync"]) == (5123, "queued", False)

    def test_version_2_is_the_same(self, api):
        sync_run_id = api.trigger()
        api.root = "/api/v2"
        assert api.sync_run(sync_run_id)["id"] == sync_run_id

    def test_a_run_is_queued_then_works_until_it_is_finished(self, api, census, clock):
        sync_run_id = api.trigger()
        clock.tick(1)
        run = api.sync_run(sync_run_id)
        assert (run["status"], run["current_step"]) == ("working", "Running sync")
        assert (run["records_processed"], run["completed_at"]) == (None, None)
        clock.tick(59)
        census.finish(sync_run_id, records_failed=3, records_invalid=2)
        run = api.sync_run(sync_run_id)
        assert run["status"] == "completed"
        assert run["completed_at"] == "2026-11-23T06:01:00.000Z"
        counts = ("records_processed", "records_updated", "records_failed", "records_invalid")
        assert [run[key] for key in counts] == [100, 97, 3, 2]
        assert run["source_record_invalids"] == 2
        assert "current_step" not in run

    def test_a_run_can_complete_after_a_given_time(self, clock):
        with open_sandbox(runs_take=timedelta(seconds=20), clock=clock) as sandbox:
            api = CensusClient(sandbox.census)
            sync_run_id = api.trigger()
            clock.tick(19)
            assert api.sync_run(sync_run_id)["status"] == "working"
            clock.tick(30)
            run = api.sync_run(sync_run_id)
            assert run["status"] == "completed"
            assert run["completed_at"] == "2026-11-23T06:00:20.000Z"
            assert api.sync_run(api.trigger())["status"] == "queued"

    def test_a_failed_run_has_an_error_and_neither_counts_nor_an_end(self, api, census):
        sync_run_id = api.trigger()
        census.finish(
            sync_run_id, status="failed", error_code="JSON_ARRAY_ERROR", error_message="not JSON"
        )
        run = api.sync_run(sync_run_id)
        assert run["status"] == "failed"
        assert (run["error_code"], run["error_message"]) == ("JSON_ARRAY_ERROR", "not JSON")
        assert (run["completed_at"], run["records_processed"]) == (None, None)
        assert run["records_invalid"] == 0

    def test_a_cancelled_run_can_read_completed(self, api, census):
        sync_run_id = api.trigger()
        census.finish(sync_run_id, canceled=True)
        run = api.sync_run(sync_run_id)
        assert (run["status"], run["canceled"]) == ("completed", True)

    def test_a_second_run_is_skipped_while_one_is_going(self, api, census):
        first, second = api.trigger(), api.trigger()
        assert second != first
        assert api.sync_run(second)["status"] == "skipped"
        assert api.sync_run(first)["status"] == "queued"
        census.finish(first)
        assert api.sync_run(api.trigger())["status"] == "queued"

    def test_syncs_do_not_wait_for_each_other(self, api):
        api.trigger()
        assert api.sync_run(api.trigger(5124))["status"] == "queued"

    def test_a_run_can_have_an_unknown_status(self, api, census):
        sync_run_id = api.trigger()
        census.set_status(sync_run_id, "preparing")
        assert api.sync_run(sync_run_id)["status"] == "preparing"
        census.finish(sync_run_id)
        assert api.sync_run(sync_run_id)["status"] == "completed"

    def test_a_run_ends_once(self, api, census):
        sync_run_id = api.trigger()
        census.finish(sync_run_id)
        with pytest.raises(ValueError, match="has ended"):
            census.finish(sync_run_id, status="failed")

    def test_a_full_sync_is_requested_in_the_query(self, api):
        sync_run_id = api.post("/syncs/5123/trigger", force_full_sync="true").json()["data"]
        assert api.sync_run(sync_run_id["sync_run_id"])["full_sync"] is True

    @pytest.mark.parametrize(
        ("body", "content_type", "full_sync"),
        [
            ('{"force_full_sync": true}', "application/json;version=2", True),
            ('{"force_full_sync": true}', "application/json", True),
            ('{"force_full_sync": false}', "application/json", False),
            ("force_full_sync=true", "application/x-www-form-urlencoded", True),
            ("force_full_sync=false", "application/x-www-form-urlencoded", False),
            ("[]", "application/json", False),
            ("null", "application/json", False),
            ("{", "text/plain", False),
            ("", "application/json", False),
            ("", None, False),
        ],
    )
    def test_a_full_sync_is_requested_in_the_body(self, api, body, content_type, full_sync):
        headers = {"Authorization": api.authorization, "Content-Type": content_type}
        answer = api.ask("POST", "/syncs/5123/trigger", data=body, headers=headers)
        assert api.sync_run(answer.json()["data"]["sync_run_id"])["full_sync"] is full_sync

    @pytest.mark.parametrize("version", ["v1", "v2"])
    @pytest.mark.parametrize("body", ["{", '{"force_full_sync": tru}', "force_full_sync=true"])
    @pytest.mark.parametrize("content_type", ["application/json", "application/json;version=2"])
    def test_a_body_that_is_no_json_is_refused_and_starts_nothing(
        self, api, census, version, body, content_type
    ):
        api.root = f"/api/{version}"
        headers = {"Authorization": api.authorization, "Content-Type": content_type}
        answer = api.ask("POST", "/syncs/5123/trigger", data=body, headers=headers)
        assert answer.status_code == 400
        assert census.sync_runs == []
        if version == "v2":
            assert answer.json()["status"] == 400
            assert answer.json()["message"]

    @pytest.mark.parametrize("version", ["v1", "v2"])
    def test_a_run_can_be_cancelled(self, api, version):
        sync_run_id = api.trigger()
        api.root = f"/api/{version}"
        answer = api.post(f"/sync_runs/{sync_run_id}/cancel")
        assert answer.status_code == 200
        assert answer.json() == {"status": "cancelled", "data": {}}
        run = api.sync_run(sync_run_id)
        assert (run["status"], run["canceled"]) == ("completed", True)
        assert api.sync_run(api.trigger())["status"] == "queued"

    def test_cancelling_a_run_that_has_ended_changes_nothing(self, api, census):
        sync_run_id = api.trigger()
        census.finish(sync_run_id, status="failed")
        assert api.post(f"/sync_runs/{sync_run_id}/cancel").status_code == 200
        run = api.sync_run(sync_run_id)
        assert (run["status"], run["canceled"]) == ("failed", False)

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
            ("POST", "/sync_runs/1/cancel"),
        ],
    )
    def test_what_does_not_exist_is_a_bare_404(self, api, method, path):
        answer = api.ask(method, path)
        assert answer.status_code == 404
        assert answer.json() == {"status": 404}

    @pytest.mark.parametrize(
        ("method", "path"),
        [("GET", "/connectors"), ("PATCH", "/syncs/1"), ("DELETE", "/syncs/5123")],
    )
    def test_a_route_that_is_not_served_says_so(self, api, method, path):
        answer = api.ask(method, path)
        assert answer.status_code == 501
        assert answer.json() == {
            "status": 501,
            "message": f"The sandbox does not serve {method} /api/v1{path}.",
        }


class TestLists:
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

    def test_a_sync_that_never_ran_has_no_runs(self, api):
        answer = api.get("/syncs/5124/sync_runs").json()
        assert answer["data"] == []
        assert answer["pagination"]["last_page"] == 1

    def test_syncs_are_listed(self, api):
        rows = api.get("/syncs", order="asc").json()["data"]
        assert [row["id"] for row in rows] == [sync.sync_id for sync in story.SYNCS]
        assert rows[0]["label"] == "customers to Salesforce"

    def test_a_sync_has_a_resource_identifier(self, api):
        assert api.get("/syncs/5123").json()["data"]["resource_identifier"] == "sync:5123"

    def test_a_sync_shows_how_its_last_run_ended_and_its_other_triggers(self, api, census):
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


class TestCredentials:
    def test_a_bearer_token_is_accepted(self, api):
        assert api.get("/syncs").status_code == 200

    def test_basic_authentication_is_accepted(self, census):
        answer = requests.get(
            f"{census.url}/api/v1/syncs", auth=("bearer", story.CENSUS_API_KEY), timeout=10
        )
        assert answer.status_code == 200

    @pytest.mark.parametrize("said", ["", "Bearer wrong", f"Token {story.CENSUS_API_KEY}"])
    def test_other_credentials_are_refused(self, api, census, said):
        api.authorization = said
        answer = api.post("/syncs/5123/trigger")
        assert answer.status_code == 401
        assert answer.text == "HTTP Basic: Access denied.\n"
        assert census.sync_runs == []

    def test_version_2_refuses_in_json(self, api):
        api.authorization, api.root = "Bearer wrong", "/api/v2"
        answer = api.post("/syncs/5123/trigger")
        assert answer.status_code == 401
        assert answer.json() == {"status": 401}
