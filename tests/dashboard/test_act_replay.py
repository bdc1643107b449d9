"""Replaying dbt runs from the dashboard: one, or all that a filter matches."""

import uuid

import pytest
from sandbox_runs import NIGHT, night

from relay.operations.replay_recorded import MOST_RUNS


@pytest.fixture(name="relayed")
def _relayed(one):
    """A run that has triggered sync 5123, whose sync run has ended."""
    one.deliver(night())
    one.work()
    one.finish_sync_runs()
    one.work_for(16)
    return one


@pytest.fixture(name="recorded")
def _recorded(sql):
    """Record runs without doing anything about them: `recorded(number, **columns)`."""

    def recorded(first, many, **columns):
        names = "".join(f", {name}" for name in columns)
        sql(
            f"INSERT INTO relay.dbt_runs (dbt_account_id, dbt_run_id, source, recorded_at{names})"
            f" SELECT 66847, %s + n, 'webhook', now() + n * interval '1 s'"
            f"{', %s' * len(columns)} FROM generate_series(1, %s) AS n",
            first,
            *columns.values(),
            many,
        )

    return recorded


def test_the_preview_says_what_stays_and_changes_nothing(relayed, dashboard, sql):
    shown = dashboard.get(f"/act/replay?run={NIGHT}")
    assert "Replay 1 dbt run" in shown.text
    assert "1 sync is triggered for it already: 5123" in shown.text
    assert sql("SELECT planned_at IS NULL FROM relay.dbt_runs") == [(False,)]
    assert sql("SELECT count(*) FROM relay.actions") == [(0,)]


def test_a_replay_triggers_nothing_twice(relayed, dashboard, sandbox):
    result = dashboard.act(f"/act/replay?run={NIGHT}")
    assert "a worker evaluates it; 1 sync is triggered for it already: 5123" in result.text
    relayed.work()
    assert len(sandbox.census.sync_runs) == 1


def test_two_people_who_replay_again_with_the_same_preview_do_it_once(relayed, dashboard, sandbox):
    path = f"/act/replay?run={NIGHT}"
    forms = [dashboard.get(path).fields | {"again": "yes"} for _ in range(2)]
    for form in forms:
        result = dashboard.get(dashboard.post("/act/replay", **form).location)
        relayed.clock.tick(1)
        relayed.work()
    assert "Nothing was done." in result.text
    assert "this would trigger its syncs once more" in result.text
    assert len(sandbox.census.sync_runs) == 2


def test_again_triggers_what_was_triggered(relayed, dashboard, sandbox, sql):
    result = dashboard.act(f"/act/replay?run={NIGHT}", again="yes")
    assert "triggered for it already" not in result.text
    relayed.work()
    assert len(sandbox.census.sync_runs) == 2
    assert sql("SELECT who, through, what, subject FROM relay.actions") == [
        ("Ada", "dashboard", "replay", f"dbt run {NIGHT} again")
    ]


def test_a_run_under_way_is_left_alone_and_says_so(one, dashboard):
    one.deliver(night())
    shown = dashboard.get(f"/act/replay?run={NIGHT}")
    assert "it is being evaluated already" in shown.text
    assert "There is nothing to do." in shown.text


def test_what_is_under_way_by_the_time_of_the_form_is_left_alone(relayed, dashboard):
    form = dashboard.get(f"/act/replay?run={NIGHT}").fields
    relayed.replay(NIGHT)
    answer = dashboard.post("/act/replay", **form)
    result = dashboard.get(answer.location)
    assert "Nothing was done." in result.text
    assert "it is being evaluated already" in result.text


def test_a_run_that_is_not_recorded_is_not_replayed(dashboard, sql):
    shown = dashboard.get("/act/replay?run=5")
    assert "relay has not recorded it" in shown.text
    answer = dashboard.post("/act/replay", nonce=uuid.uuid4(), runs="5")
    assert "relay has not recorded it" in dashboard.get(answer.location).text
    assert sql("SELECT count(*) FROM relay.dbt_runs") == [(0,)]


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("became=given up", [4]),
        ("became=planned", [3, 1]),
        ("job=7", [3]),
        ("environment=8", [1]),
        ("status=error", [1]),
        ("reason=test_failed", [3]),
        ("reason=cooling_down", []),
        ("since=1h", [4, 3, 1]),
    ],
)
def test_all_that_a_filter_matches(dashboard, recorded, sql, clock, query, shown):
    now = clock()
    recorded(0, 1, planned_at=now, environment_id=8, status="error")
    recorded(1, 1)  # under way
    recorded(2, 1, planned_at=now, dbt_job_id=7)
    recorded(3, 1, given_up_at=now, problem="late")
    sql("UPDATE relay.dbt_runs SET recorded_at = %s + dbt_run_id * interval '1 s'", now)
    sql(
        "INSERT INTO relay.decisions (workspace, sync_id, dbt_account_id, dbt_run_id, reason,"
        " models, through, conditions, decided_at)"
        " VALUES ('default', 5123, 66847, 3, 'test_failed', '{}', '{}', '{}', now())"
    )
    fields = dashboard.get(f"/act/replay?{query}").fields
    assert fields.get("runs", "").split() == list(map(str, shown))


def test_the_button_the_list_and_the_form_are_of_the_same_runs(dashboard, recorded, clock):
    recorded(0, MOST_RUNS + 3, planned_at=clock())
    shown = dashboard.get("/act/replay?became=planned")
    assert f"{MOST_RUNS + 3} dbt runs match: these are the newest {MOST_RUNS}." in shown.text
    assert len(shown.rows) == MOST_RUNS + 1
    assert len(shown.fields["runs"].split()) == MOST_RUNS
    assert f"Replay {MOST_RUNS} dbt runs" in shown.text


def test_what_came_after_the_preview_is_not_done_unseen(dashboard, recorded, clock, sql):
    recorded(0, 2, planned_at=clock())
    form = dashboard.get("/act/replay?became=planned").fields
    recorded(2, 2, planned_at=clock())
    result = dashboard.get(dashboard.post("/act/replay?became=planned", **form).location)
    assert "replay: 2 dbt runs" in result.text
    due = "SELECT dbt_run_id FROM relay.dbt_runs WHERE planned_at IS NULL ORDER BY 1"
    assert sql(due) == [(1,), (2,)]


def test_the_largest_batch_is_done_in_one_transaction(dashboard, recorded, clock, sql):
    recorded(0, MOST_RUNS, planned_at=clock())
    result = dashboard.act("/act/replay?became=planned")
    assert f"Done: {MOST_RUNS}" in result.text
    jobs = "SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'evaluate_dbt_run'"
    assert sql(jobs) == [(MOST_RUNS,)]


@pytest.mark.parametrize("runs", ["", "x", "-1", " ".join(map(str, range(1, MOST_RUNS + 2)))])
def test_other_ids_than_a_preview_has_are_refused(dashboard, sql, runs):
    assert dashboard.post("/act/replay", nonce=uuid.uuid4(), runs=runs).status_code == 400
    assert sql("SELECT count(*) FROM relay.actions") == [(0,)]
