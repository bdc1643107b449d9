"""An attempt to start a sync run, where one step is cut off, repeated or answered oddly."""

import json
from datetime import timedelta

import pytest
from sandbox_runs import NIGHT

from relay.sandbox import story
from relay.sandbox.wire import Body, HangUp, HangUpAfter, Status, StatusAfter


@pytest.mark.parametrize("seconds_before", [0, 1.5], ids=["then", "its clock is behind"])
def test_a_run_is_found_though_census_names_no_zone(one, sandbox, events, seconds_before):
    """A time without a zone is UTC; otherwise comparing it would fail on every retry.

    The clocks can be compared to two seconds: Census's Date header counts whole ones.
    """
    sandbox.census.fail_next("/trigger", HangUpAfter())
    one.deliver(story.nightly_run())
    one.work()
    (run,) = sandbox.census.sync_runs
    began = one.clock() - timedelta(seconds=seconds_before)
    listed = {
        "id": run.sync_run_id,
        "status": "working",
        "created_at": f"{began:%Y-%m-%dT%H:%M:%S.%f}",
    }
    answer = json.dumps({"status": "success", "data": [listed]}).encode()
    sandbox.census.fail_next("/syncs/5123/sync_runs", Body(answer))
    one.work_for(61)
    assert events("task.failed") == []
    assert [line["sync_run_id"] for line in events("sync.trigger_recovered")] == [run.sync_run_id]
    assert len(sandbox.census.requests_to("/trigger")) == 1


def test_an_answer_that_could_not_be_recorded_is_found_and_nothing_sent_twice(
    one, sandbox, events, sql
):
    """The run was started, but the transaction that was to record it broke."""
    sql(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE 'the disk is full'; END $$;"
        " CREATE TRIGGER refuse BEFORE UPDATE OF sync_run_id ON relay.sync_runs"
        " EXECUTE FUNCTION refuse()"
    )
    one.deliver(story.nightly_run())
    one.work()
    assert [line["task"] for line in events("task.failed")] == ["start_sync_run"]
    sql("DROP TRIGGER refuse ON relay.sync_runs")
    one.work_for(120)
    (run,) = sandbox.census.sync_runs
    assert [line["sync_run_id"] for line in events("sync.trigger_recovered")] == [run.sync_run_id]
    assert sql("SELECT sync_run_id, failures FROM relay.sync_runs") == [(run.sync_run_id, 0)]


def test_a_run_that_took_several_tries_to_start_has_not_failed_to_be_polled(one, sandbox, sql):
    """Both are counted in one column, which decides how long a run is asked after."""
    sandbox.census.fail_next("/trigger", Status(429), times=2)
    one.deliver(story.nightly_run())
    one.work()
    assert sql("SELECT failures > 0, polls FROM relay.sync_runs") == [(True, 0)]
    one.work_for(8)
    (run,) = sandbox.census.sync_runs
    expected = [(run.sync_run_id, 0, 0)]
    assert sql("SELECT sync_run_id, failures, polls FROM relay.sync_runs") == expected


def test_an_attempt_that_was_refused_at_once_has_its_end_and_its_log_line(
    one, sandbox, events, sql
):
    sandbox.census.fail_next("/trigger", Status(422))
    one.deliver(story.nightly_run())
    one.work()
    (failed,) = events("sync.trigger_failed")
    assert (failed["dbt_run_id"], failed["dbt_run_ids"]) == (NIGHT, [NIGHT])
    assert sql("SELECT outcome, sync_run_id FROM relay.sync_runs") == [("refused", None)]


@pytest.mark.parametrize(
    ("fault", "is_surely_nothing"),
    [(Status(429), True), (HangUp(), False), (StatusAfter(502), False)],
    ids=str,
)
def test_only_a_post_that_surely_did_nothing_is_sent_again_unseen(
    one, sandbox, sql, fault, is_surely_nothing
):
    sandbox.census.fail_next("/trigger", fault)
    one.deliver(story.nightly_run())
    one.work()
    (attempt,) = sql("SELECT sent_at IS NULL, failures, backoff_spent >= 1 FROM relay.sync_runs")
    assert attempt == (is_surely_nothing, 1, True)
    one.work_for(120)
    assert bool(sandbox.census.requests_to("/syncs/5123/sync_runs")) is not is_surely_nothing
    assert len(sandbox.census.sync_runs) == 1
