"""The sandbox's own API, which controls `relay sandbox`."""

import contextlib

import pytest
import requests

from relay.sandbox import story


class TestControl:
    def control(self, sandbox, method, path, body=None):
        url = f"{sandbox.dbt_cloud.url}/sandbox/{path}"
        return requests.request(method, url, json=body, timeout=10)

    def test_the_state_holds_runs_and_requests(self, sandbox, api):
        api.trigger()
        self.control(sandbox, "POST", "dbt_runs")
        state = self.control(sandbox, "GET", "state").json()
        assert state["dbt_runs"][0]["dbt_run_id"] == story.FIRST_DBT_RUN_ID
        assert state["dbt_runs"][0]["status"] == "Success"
        assert state["sync_runs"] == [{"sync_run_id": 90001, "sync_id": 5123, "status": "queued"}]
        assert len(state["syncs"]) == len(story.SYNCS)
        assert state["requests"]["dbt_cloud"] == []
        assert state["requests"]["census"][0].endswith("POST /api/v1/syncs/5123/trigger")
        counts = {"dbt_cloud": {}, "census": {"POST /api/v1/syncs/*/trigger": 1}}
        assert state["request_counts"] == counts

    def test_a_sync_run_can_be_finished(self, sandbox, api):
        sync_run_id = api.trigger()
        answer = self.control(sandbox, "POST", f"finish/{sync_run_id}", {"records_failed": 3})
        assert answer.json()["status"] == "completed"
        assert api.sync_run(sync_run_id)["records_failed"] == 3
        assert self.control(sandbox, "POST", f"finish/{sync_run_id}").status_code == 400
        assert self.control(sandbox, "POST", "finish/1").status_code == 404

    def test_requests_can_be_made_to_fail(self, sandbox, api):
        fault = {"simulator": "census", "path": "/trigger", "status": 503}
        assert self.control(sandbox, "POST", "fail", fault).status_code == 200
        assert api.post("/syncs/5123/trigger").status_code == 503
        self.control(sandbox, "POST", "fail", fault | {"status": None, "hang_up": "after"})
        with pytest.raises(requests.ConnectionError):
            api.post("/syncs/5123/trigger")
        assert len(sandbox.census.sync_runs) == 1

    def test_a_request_can_fail_after_the_work_was_done(self, sandbox, api):
        fault = {"simulator": "census", "path": "/trigger", "status_after": 502}
        self.control(sandbox, "POST", "fail", fault)
        assert api.post("/syncs/5123/trigger").status_code == 502
        assert len(sandbox.census.sync_runs) == 1

    def test_contradicting_keys_are_refused_and_nothing_fails(self, sandbox, api):
        fault = {"simulator": "census", "path": "/", "status": 502, "hang_up": "after"}
        answer = self.control(sandbox, "POST", "fail", fault)
        assert answer.status_code == 400
        assert "not status and hang_up" in answer.json()["error"]
        assert api.get("/syncs").status_code == 200

    @pytest.mark.parametrize(
        ("change", "refusal"),
        [({"paused": True}, "The sync is paused."), ({"refuses": "Not now"}, "Not now")],
        ids=str,
    )
    def test_a_sync_can_be_paused_or_refuse(self, sandbox, api, change, refusal):
        answer = self.control(sandbox, "POST", "syncs/5123", change).json()
        assert (answer["sync_id"], answer["refusal"]) == (5123, refusal)
        said = api.post("/syncs/5123/trigger").json()
        assert said == {"status": "error", "message": refusal}
        again = self.control(sandbox, "POST", "syncs/5123", {"refuses": None, "paused": False})
        assert again.json()["refusal"] is None
        assert api.trigger() == 90001

    def test_a_key_that_is_not_given_changes_nothing(self, sandbox):
        self.control(sandbox, "POST", "syncs/5123", {"paused": True})
        answer = self.control(sandbox, "POST", "syncs/5123", {"refuses": None})
        assert answer.json()["refusal"] == "The sync is paused."
        assert self.control(sandbox, "POST", "syncs/1", {"paused": True}).status_code == 404

    def test_requests_can_be_made_to_fail_at_random(self, sandbox, api, dbt):
        wish = {"simulator": "census", "share": 1, "seed": 7}
        answer = self.control(sandbox, "POST", "fail_at_random", wish).json()
        assert (answer["share"], answer["seed"]) == (1, 7)
        assert list(answer["faults"]) == ["census"]
        assert "HangUpAfter()" in answer["faults"]["census"]
        assert came_through(api, "/syncs", 20) < 10  # these were only late
        assert came_through(dbt, "/runs/", 20) == 20
        self.control(sandbox, "POST", "fail_at_random", {"share": 0})
        assert came_through(api, "/syncs", 20) == 20

    def test_by_default_a_tenth_of_both_vendors_requests_fails(self, sandbox, api, dbt):
        answer = self.control(sandbox, "POST", "fail_at_random").json()
        assert (answer["share"], list(answer["faults"])) == (0.1, ["dbt_cloud", "census"])
        assert 80 <= came_through(api, "/syncs", 100) < 100
        assert 80 <= came_through(dbt, "/runs/", 100) < 100

    def test_a_dbt_run_can_be_added_and_its_event_is_returned(self, sandbox, dbt):
        events = [
            self.control(sandbox, "POST", "dbt_runs", body).json()
            for body in (None, {"recording": "build_model_error"})
        ]
        assert [event["data"]["runStatusCode"] for event in events] == [10, 20]
        assert dbt.get(f"/runs/{events[1]['data']['runId']}/").json()["data"]["status"] == 20
        assert self.control(sandbox, "POST", "dbt_runs", {"recording": "x"}).status_code == 404

    def test_a_dbt_run_can_be_of_a_pull_request(self, sandbox, dbt):
        body = {"pull_request": 42, "recording": "build_model_error"}
        event = self.control(sandbox, "POST", "dbt_runs", body).json()
        path = f"/runs/{event['data']['runId']}/"
        run = dbt.get(path, include_related="trigger,job").json()["data"]
        assert (run["status"], run["job"]["job_type"]) == (20, "ci")
        assert run["trigger"]["github_pull_request_id"] == 42
        assert run["trigger"]["schema_override"] == "dbt_cloud_pr_278165_42"

    def test_a_dbt_run_can_be_left_running_and_be_finished(self, sandbox, dbt, clock):
        event = self.control(sandbox, "POST", "dbt_runs", {"status": "running"}).json()
        assert event["eventType"] == "job.run.started"
        dbt_run_id = event["data"]["runId"]
        assert [step["status"] for step in dbt.run_steps(dbt_run_id)] == [10, 10, 10, 3]
        clock.tick(60)
        finished = self.control(sandbox, "POST", f"dbt_runs/{dbt_run_id}/finish").json()
        assert finished["eventType"] == "job.run.completed"
        assert finished["data"]["runStatusCode"] == 10
        assert dbt.run_results(dbt_run_id, step=4).status_code == 200
        again = self.control(sandbox, "POST", f"dbt_runs/{dbt_run_id}/finish")
        assert (again.status_code, again.json()["error"]) == (
            400,
            f"dbt run {dbt_run_id} has ended",
        )
        assert self.control(sandbox, "POST", "dbt_runs/1/finish").status_code == 404

    @pytest.mark.parametrize(("status", "code"), [("error", 20), ("cancelled", 30), (None, 10)])
    def test_a_dbt_run_can_end_otherwise(self, sandbox, status, code):
        event = self.control(sandbox, "POST", "dbt_runs", {"status": "running"}).json()
        path = f"dbt_runs/{event['data']['runId']}/finish"
        finished = self.control(sandbox, "POST", path, {"status": status}).json()
        assert finished["data"]["runStatusCode"] == code

    def test_a_dbt_run_can_be_cancelled_in_its_build(self, sandbox, dbt):
        event = self.control(sandbox, "POST", "dbt_runs", {"status": "cancelled"}).json()
        assert event["eventType"] == "job.run.completed"
        assert event["data"]["runStatusCode"] == 30
        dbt_run_id = event["data"]["runId"]
        assert [step["status"] for step in dbt.run_steps(dbt_run_id)] == [10, 10, 10, 30]
        assert dbt.get(f"/runs/{dbt_run_id}/artifacts/").json()["data"] is None

    def test_the_event_of_a_run_that_a_client_started_can_be_had(self, sandbox, dbt, clock):
        run = dbt.ask("POST", "/jobs/278164/run/", json={"cause": "manual"}).json()["data"]
        path = f"dbt_runs/{run['id']}/event"
        assert self.control(sandbox, "GET", path).status_code == 400
        clock.tick(60)
        event = self.control(sandbox, "GET", path).json()
        assert (event["eventType"], event["data"]["runStatusCode"]) == ("job.run.completed", 10)
        assert self.control(sandbox, "GET", "dbt_runs/1/event").status_code == 404


def came_through(client, path, number):
    """How many of so many requests got a complete response."""
    through = 0
    for _ in range(number):
        with contextlib.suppress(requests.RequestException):
            answer = client.get(path)
            through += answer.ok and "json" in answer.headers["Content-Type"]
    return through
