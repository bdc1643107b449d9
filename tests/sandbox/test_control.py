"""The sandbox's own API, by which `relay sandbox` is told what to do."""

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

    def test_by_default_a_tenth_of_both_vendors_requests_fails(self, sandbox, api, dbt):
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
    def test_an_invalid_request_is_refused(self, sandbox, path, body):
        answer = self.control(sandbox, "POST", path, body)
        assert answer.status_code == 400
        assert answer.json()["error"]

    def test_a_dbt_run_can_be_added_and_its_event_is_returned(self, sandbox, dbt):
        events = [
            self.control(sandbox, "POST", "dbt_runs", body).json()
            for body in (None, {"recording": "build_model_error"})
        ]
        assert [event["data"]["runStatusCode"] for event in events] == [10, 20]
        assert dbt.get(f"/runs/{events[1]['data']['runId']}/").json()["data"]["status"] == 20
        assert self.control(sandbox, "POST", "dbt_runs", {"recording": "x"}).status_code == 404


def came_through(client, path, number):
    """How many of so many requests got a complete response."""
    through = 0
    for _ in range(number):
        with contextlib.suppress(requests.RequestException):
            answer = client.get(path)
            through += answer.ok and "json" in answer.headers["Content-Type"]
    return through
