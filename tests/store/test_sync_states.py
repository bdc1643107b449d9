"""Since when a sync is behind its models, why, and its lag: cases, and histories at random."""

import random
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from freshness_oracle import expected_states, stored_states
from sync_history import SyncHistory

from relay.decision.gates import Reason
from relay.store.sync_runs import End, record_end
from relay.sync_runs import Outcome

KEY = ("default", 1)


@pytest.fixture(name="sync")
def _sync(store, clock):
    return SyncHistory(store, clock())


def never_rebuilt(_sync):
    """Nothing yet."""


def waits(sync):
    sync.run(8, 0, decided=1)


def cools_down(sync):
    sync.run(8, 0, decided=1, reason=Reason.COOLING_DOWN, due=30)


def is_being_sent(sync):
    waits(sync)
    sync.begins(2)


def runs(sync):
    is_being_sent(sync)
    sync.starts(2)


def completed(sync):
    runs(sync)
    sync.ends(6, completed=5)


def completed_with_rejects(sync):
    runs(sync)
    sync.ends(6, Outcome.COMPLETED_WITH_REJECTS, completed=5)


def completed_without_a_time_from_census(sync):
    runs(sync)
    sync.ends(6)


def coalesced(sync):
    sync.run(8, 0, decided=1)
    sync.run(9, 10, decided=11)
    sync.syncs(12, 15)


def comes_while_one_runs(sync):
    runs(sync)
    sync.run(9, 4, decided=5)
    sync.ends(6, completed=6)


def came_while_one_ran_and_was_sent(sync):
    comes_while_one_runs(sync)
    sync.syncs(7, 9)


def failed(sync):
    runs(sync)
    sync.ends(6, Outcome.FAILED)


def failed_twice(sync):
    failed(sync)
    sync.run(9, 20, decided=21)
    sync.syncs(22, 23, Outcome.CANCELED)


def failed_and_then_completed(sync):
    failed(sync)
    sync.run(9, 20, decided=21)
    sync.syncs(22, 23)


def abandoned(sync):
    runs(sync)
    sync.ends(400, Outcome.ABANDONED)


def refused(sync):
    is_being_sent(sync)
    sync.refused(3)


def skipped(sync):
    runs(sync)
    sync.ends(3, Outcome.SKIPPED)


def skipped_and_triggered_again(sync):
    skipped(sync)
    sync.run(9, 5, decided=6)
    sync.syncs(7, 9)


def recovered(sync):
    is_being_sent(sync)
    sync.starts(4, lost=True)
    sync.ends(6, completed=6)


def retried_until_it_was_sent(sync):
    is_being_sent(sync)
    sync.run(9, 10, decided=11)  # its data is read too: the POST came later
    sync.sent_again(20)
    sync.starts(20)
    sync.ends(25, completed=25)


def withdrawn_for_a_hold(sync):
    is_being_sent(sync)
    sync.withdrawn()


def withheld(sync):
    sync.run(8, 0, decided=1, reason=Reason.TEST_FAILED)


def withheld_without_a_rebuild(sync):
    sync.run(8, 0, decided=1, reason=Reason.MODEL_FAILED, rebuilt=False)


def withheld_and_then_rebuilt(sync):
    withheld(sync)
    sync.run(9, 60, decided=61)


def withheld_and_then_in_the_tool(sync):
    withheld_and_then_rebuilt(sync)
    sync.syncs(62, 63)


def withheld_after_a_failure(sync):
    failed(sync)
    sync.run(9, 20, decided=21, reason=Reason.TEST_FAILED)


def withheld_and_synced_by_hand(sync):
    withheld(sync)
    sync.by_hand(30)
    sync.syncs(31, 33)


def withheld_and_waits_by_hand(sync):
    withheld(sync)
    sync.by_hand(30)


def synced_by_hand_after_it_was_fresh(sync):
    completed(sync)
    sync.by_hand(30)
    sync.syncs(31, 33)


def given_up_and_replayed(sync):
    refused(sync)
    sync.replay(8, 0, decided=600, redo="nothing")
    sync.syncs(601, 603)


def replayed_although_in_the_tool(sync):
    completed(sync)
    sync.replay(8, 0, decided=600)


def replayed_although_in_the_tool_and_completed(sync):
    replayed_although_in_the_tool(sync)
    sync.syncs(601, 603)


def delivered_late(sync):
    sync.run(9, 10, decided=11)
    sync.syncs(12, 14)
    sync.run(8, 0, decided=20)  # its webhook was late: its data is in the tool


def delivered_late_and_synced(sync):
    delivered_late(sync)
    sync.syncs(21, 23)


def disabled_while_it_waited(sync):
    waits(sync)
    sync.dropped(2)


def disabled_and_then_withheld_by_a_replay(sync):
    disabled_while_it_waited(sync)
    sync.replay(8, 0, decided=60, redo="nothing", reason=Reason.TEST_FAILED)


def failed_and_then_withheld_by_a_replay(sync):
    failed(sync)
    sync.replay(8, 0, decided=60, reason=Reason.STALE_PARENT)


def of_a_dbt_whose_clock_is_ahead(sync):
    sync.run(8, 5, decided=1)
    sync.syncs(2, 4)


# Behind since (minute), that dbt run, why, the lag of the last run in minutes, failures in a row.
CASES = [
    (never_rebuilt, None, None, None, None, 0),
    (waits, 0, 8, "waiting", None, 0),
    (cools_down, 0, 8, "waiting", None, 0),
    (is_being_sent, 0, 8, "running", None, 0),
    (runs, 0, 8, "running", None, 0),
    (completed, None, None, None, 5, 0),
    (completed_with_rejects, None, None, None, 5, 0),
    (completed_without_a_time_from_census, None, None, None, 6, 0),
    (coalesced, None, None, None, 15, 0),
    (comes_while_one_runs, 4, 9, "waiting", 6, 0),
    (came_while_one_ran_and_was_sent, None, None, None, 5, 0),
    (failed, 0, 8, "failing", None, 1),
    (failed_twice, 0, 8, "failing", None, 2),
    (failed_and_then_completed, None, None, None, 3, 0),
    (abandoned, 0, 8, "failing", None, 1),
    (refused, 0, 8, "failing", None, 1),
    (skipped, 0, 8, "waiting", None, 0),
    (skipped_and_triggered_again, None, None, None, 9, 0),
    (recovered, None, None, None, 6, 0),
    (retried_until_it_was_sent, None, None, None, 25, 0),
    (withdrawn_for_a_hold, 0, 8, "waiting", None, 0),
    (withheld, 0, 8, "test_failed", None, 0),
    (withheld_without_a_rebuild, None, None, None, None, 0),
    (withheld_and_then_rebuilt, 0, 8, "waiting", None, 0),
    (withheld_and_then_in_the_tool, None, None, None, 3, 0),
    (withheld_after_a_failure, 0, 8, "test_failed", None, 1),
    (withheld_and_waits_by_hand, 0, 8, "waiting", None, 0),
    (withheld_and_synced_by_hand, None, None, None, None, 0),
    (synced_by_hand_after_it_was_fresh, None, None, None, 5, 0),
    (given_up_and_replayed, None, None, None, 603, 0),
    (replayed_although_in_the_tool, None, None, None, 5, 0),
    (replayed_although_in_the_tool_and_completed, None, None, None, 5, 0),
    (delivered_late, None, None, None, 4, 0),
    (delivered_late_and_synced, None, None, None, 4, 0),
    (disabled_while_it_waited, 0, 8, "sync_disabled", None, 0),
    (disabled_and_then_withheld_by_a_replay, 0, 8, "test_failed", None, 0),
    (failed_and_then_withheld_by_a_replay, 0, 8, "stale_parent", None, 1),
    (of_a_dbt_whose_clock_is_ahead, None, None, None, 0, 0),
]


@pytest.mark.parametrize(
    ("story", "since", "dbt_run_id", "because", "lag", "failures"),
    CASES,
    ids=[case[0].__name__ for case in CASES],
)
def test_a_sync_that(story, since, dbt_run_id, because, lag, failures, sync, store, sql):
    story(sync)
    state = store.sync_states.get(*KEY)
    if story is never_rebuilt:
        assert state is None
        return
    assert (sync.minute(state.behind_since), state.behind_dbt_run_id) == (since, dbt_run_id)
    assert state.because == because
    assert state.lag == (None if lag is None else lag * 60)
    assert state.failures == failures
    assert stored_states(sql) == expected_states(sql)


@pytest.mark.parametrize("seed", range(12))
def test_stored_and_computed_the_long_way_it_is_the_same_after_each_step(seed, sync, sql, store):
    """Also rebuilt from the rest, nothing differs."""
    chance = random.Random(seed)
    minute = 0
    for step in range(40):
        minute += chance.randint(0, 9)
        _one_step(sync, chance, minute, step)
        assert stored_states(sql) == expected_states(sql), f"after step {step}"
    assert store.sync_states.rebuild() == []


def _one_step(sync, chance, minute, step):
    attempt = sync.attempt
    if attempt is None and chance.random() < 0.5 and _waits(sync):
        sync.begins(minute)
        if chance.random() < 0.3:
            sync.refused(minute + 1)
            sync.attempt = None
        else:
            sync.starts(minute, lost=chance.random() < 0.3)
    elif attempt is not None and chance.random() < 0.5:
        outcome = chance.choice([*[Outcome.COMPLETED] * 3, *list(Outcome)[1:6]])
        sync.ends(minute, outcome, completed=minute if chance.random() < 0.8 else None)
        sync.attempt = None
    elif chance.random() < 0.2:
        sync.by_hand(minute)
    else:
        _one_run(sync, chance, minute, step)


def _waits(sync):
    return sync.store.triggers.waiting(*KEY, now=sync.at(10**5)) is not None


def _one_run(sync, chance, minute, step):
    reason = chance.choice(
        [Reason.REBUILT, Reason.REBUILT, Reason.TEST_FAILED, Reason.MODEL_FAILED]
    )
    sync.run(
        step + 1,
        minute - chance.randint(-1, 20),
        decided=minute,
        reason=reason,
        rebuilt=reason is not Reason.MODEL_FAILED or chance.random() < 0.5,
    )


def test_a_state_that_was_changed_by_another_hand_is_found_and_put_right(sync, store, sql):
    waits(sync)
    right = store.sync_states.get(*KEY)
    sql("UPDATE relay.sync_states SET because = 'fresh', behind_since = NULL")
    ((before, after),) = store.sync_states.rebuild()
    assert (before.because, after) == ("fresh", right)
    assert store.sync_states.get(*KEY) == right


def test_a_sync_run_that_ends_while_it_is_rebuilt_is_no_difference(sync, store, database):
    comes_while_one_runs_and_goes_on(sync)
    with psycopg.connect(database.conninfo) as ending, ThreadPoolExecutor() as pool:
        end = End(outcome=Outcome.COMPLETED, at=sync.at(6))
        assert record_end(ending, sync.attempt.attempt_id, end)
        rebuilding = pool.submit(store.sync_states.rebuild)
        _wait_for_a_lock(database)
        ending.commit()
        assert rebuilding.result(timeout=60) == []


def comes_while_one_runs_and_goes_on(sync):
    runs(sync)
    sync.run(9, 4, decided=5)


def _wait_for_a_lock(database):
    waiting = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    deadline = time.monotonic() + 60
    with psycopg.connect(database.conninfo, autocommit=True) as connection:
        while connection.execute(waiting).fetchone() == (0,):
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_a_state_that_is_missing_is_made(sync, store, sql):
    waits(sync)
    right = store.sync_states.get(*KEY)
    sql("DELETE FROM relay.sync_states")
    assert store.sync_states.rebuild() == [(None, right)]


def without_lag(states):
    return {key: {**state, "lag": None} for key, state in states.items()}


def a_month_later(store, sync):
    before = sync.at(100 * 24 * 60)
    return store.retention.prune(before=before, builds_before=before, actions_before=before)


@pytest.mark.parametrize("story", [case[0] for case in CASES], ids=lambda story: story.__name__)
def test_old_rows_are_deleted_without_changing_what_it_says(story, sync, store, sql):
    story(sync)
    before = stored_states(sql)
    a_month_later(store, sync)
    assert stored_states(sql) == before
    # The lag is the sync run's own; what it was computed from may be gone.
    left = expected_states(sql)
    assert without_lag(left) == without_lag({key: before[key] for key in left})
    assert store.sync_states.rebuild() == []


def test_failures_are_counted_among_the_runs_that_are_kept(sync, store, sql):
    failed_twice(sync)
    sync.run(10, 40, decided=41)
    sync.syncs(42, 43, Outcome.FAILED)
    assert store.sync_states.get(*KEY).failures == 3
    deleted = a_month_later(store, sync)["sync_runs"]
    assert store.sync_states.get(*KEY).failures == 3 - deleted
    assert store.sync_states.rebuild() == []
