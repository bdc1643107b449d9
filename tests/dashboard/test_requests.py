"""What is asked of a worker: answered once, retried as other jobs are, shown when it is there."""

import uuid

import pytest
from mappings import mapping_text, sync_entry
from sandbox_runs import NIGHT, night

from relay.sandbox import story
from relay.sandbox.wire import Body, Status
from relay.store.requests import MOST_OPEN
from relay.worker.tasks import answer_request

PLAN = f"/act/plan?run={NIGHT}"


@pytest.fixture(name="ask")
def _ask(dashboard):
    """Ask a worker, and return where the answer will be: `ask(PLAN)`."""
    return lambda path: dashboard.post(path, **dashboard.get(path).fields).location


@pytest.fixture(name="planned")
def _planned(one, sandbox):
    """A run that dbt Cloud has, and that relay was not told of."""
    sandbox.dbt_cloud.add_run(night())
    return one


def test_the_form_of_one_question_asks_no_other(planned, dashboard, sql):
    dashboard.act("/act/trigger?sync=5123")
    planned.work()
    form = dashboard.get(PLAN).fields
    dashboard.post("/act/plan", **form)
    cancel = dashboard.post("/act/cancel", nonce=form["nonce"], attempt=1)
    assert (cancel.status_code, "for something else" in cancel.text) == (400, True)
    assert dashboard.post("/act/check", nonce=form["nonce"]).status_code == 400
    assert sql("SELECT what FROM relay.requests") == [("plan",)]
    assert sql("SELECT what FROM relay.actions") == [("trigger",)]


class TestPlan:
    def test_shows_what_would_be_decided_and_does_nothing(self, planned, dashboard, ask, sandbox):
        answer = ask(PLAN)
        assert "Waiting for a worker." in dashboard.get(answer).text
        planned.work()
        shown = dashboard.get(answer)
        assert "done Asked" in shown.text
        assert shown.rows[1][:4] == ["5123", "trigger", "rebuilt", "customers"]
        assert sandbox.census.sync_runs == []
        assert planned.sql("SELECT count(*) FROM relay.dbt_runs") == [(0,)]
        assert planned.sql("SELECT count(*) FROM relay.actions") == [(0,)]

    def test_is_data_too(self, planned, dashboard, ask):
        answer = ask(PLAN)
        planned.work()
        data = dashboard.json(f"{answer}.json")
        (decision,) = data["request"]["answer"]["decisions"]
        assert (decision["sync_id"], decision["decision"]) == (5123, "trigger")
        assert data["state"] == "done"

    def test_says_what_was_triggered_already(self, one, dashboard, ask):
        one.deliver(night())
        one.work()
        answer = ask(PLAN)
        one.work()
        assert dashboard.get(answer).rows[1][1] == "triggered already"

    def test_says_what_is_held(self, planned, dashboard, ask):
        dashboard.act("/act/hold?sync=5123")
        answer = ask(PLAN)
        planned.work()
        assert dashboard.get(answer).rows[1][1] == "held"

    def test_of_a_run_that_dbt_cloud_does_not_know_says_so(self, one, dashboard, ask, events):
        answer = ask("/act/plan?run=5")
        one.work()
        shown = dashboard.get(answer)
        assert "failed Asked" in shown.text
        assert "HTTP 404" in shown.text
        assert one.is_idle()
        (line,) = events("request.failed")
        assert (line["what"], line["who"]) == ("plan", "Ada")

    def test_is_retried_after_a_fault_of_the_vendor(self, planned, dashboard, ask, sandbox):
        sandbox.dbt_cloud.fail_next("/runs/", Status(503))
        answer = ask(PLAN)
        planned.work()
        shown = dashboard.get(answer)
        assert "retried Asked" in shown.text
        assert "The last try failed; the next one is in" in shown.text
        assert "503" in shown.text
        planned.work_for(10)
        assert "done Asked" in dashboard.get(answer).text

    def test_gives_up_when_retries_are_exhausted(self, planned, dashboard, ask, sandbox, events):
        sandbox.dbt_cloud.fail_next("/runs/", Status(503), times=10000)
        answer = ask(PLAN)
        planned.work_for(3 * 3600)
        assert "failed Asked" in dashboard.get(answer).text
        assert len(events("request.failed")) == 1
        assert planned.is_idle()

    def test_is_answered_once(self, planned, dashboard, ask, sql, events):
        answer = ask(PLAN)
        planned.work()
        before = sql("SELECT * FROM relay.requests")
        answer_request(planned.services, request_id=answer.rpartition("/")[2])
        assert sql("SELECT * FROM relay.requests") == before
        assert len(events("request.answered")) == 1

    def test_shows_hostile_names_as_text(self, one, dashboard, ask, sandbox):
        name = "<script>alert(1)</script>\u202e"
        sandbox.dbt_cloud.fail_next("/runs/", Body(name.encode(), 400, "text/html"), times=9)
        answer = ask(PLAN)
        one.work()
        assert "<script>alert" not in dashboard.get(answer).html
        assert "\u202e" not in dashboard.get(answer).html


class TestCheck:
    def test_shows_what_the_command_finds(self, relay, dashboard, ask, sandbox):
        sandbox.dbt_cloud.add_run(night())
        relay.map(
            mapping_text(
                sync_entry(5123, "customers"),
                sync_entry(5999, "customers"),
                defaults={"environments": [story.PRODUCTION.environment_id]},
            )
        )
        answer = ask("/act/check")
        relay.work()
        shown = dashboard.get(answer)
        assert "Problems" in shown.text
        assert "5999" in shown.text
        assert "DBT_CLOUD_TOKEN lists runs" in shown.text
        assert "secret-token" not in shown.html

    def test_says_if_no_problem_was_found(self, relay, dashboard, ask, sandbox):
        sandbox.dbt_cloud.add_run(night())
        answer = ask("/act/check")
        relay.work()
        shown = dashboard.get(answer).text
        assert "No problem was found in 4 syncs." in shown
        assert "Warnings" in shown  # of v1

    def test_says_what_could_not_be_asked(self, relay, dashboard, ask, sandbox):
        sandbox.dbt_cloud.fail_next("/webhooks/", Status(503), times=100)
        answer = ask("/act/check")
        relay.work()
        assert "Not checked" in dashboard.get(answer).text


def test_a_form_that_is_sent_twice_asks_once(one, dashboard, sql):
    form = dashboard.get(PLAN).fields
    first, second = (dashboard.post(PLAN, **form) for _ in range(2))
    assert first.location == second.location
    jobs = "SELECT queue_name, count(*) FROM procrastinate_jobs GROUP BY 1"
    assert sql(jobs) == [("relay.requests", 1)]


def test_it_is_said_if_no_worker_takes_it(one, dashboard, ask, clock):
    answer = ask(PLAN)
    assert "is one running?" not in dashboard.get(answer).text
    clock.tick(20)
    assert "No worker has taken it for 20 s: is one running?" in dashboard.get(answer).text


def test_not_more_is_asked_than_is_answered(one, dashboard, ask):
    for _ in range(MOST_OPEN):
        ask(PLAN)
    refused = dashboard.act(PLAN, expect=400)
    assert f"{MOST_OPEN} requests wait for a worker's answer already" in refused.text
    one.work()
    assert ask(PLAN).startswith("/requests/")


def test_an_unknown_one_is_not_found(dashboard):
    assert "no such request" in dashboard.get(f"/requests/{uuid.uuid4()}", expect=404).text


def test_an_answer_refreshes_soon_until_it_is_there(planned, dashboard, ask):
    answer = ask(PLAN)
    assert "data-soon" in dashboard.get(answer).html
    planned.work()
    assert "data-soon" not in dashboard.get(answer).html


def test_an_unforeseen_error_is_retried(planned, dashboard, ask, sql, events):
    answer = ask(PLAN)
    # Something that no code of ours has written: a request without its run.
    sql("UPDATE relay.requests SET arguments = '{}'")
    planned.work()
    assert "retried Asked" in dashboard.get(answer).text
    assert [line["event"] for line in events("task.failed", "request.retried")] == [
        "task.failed",
        "request.retried",
    ]
