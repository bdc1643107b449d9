"""The sync runs that relay would have started: one at a time, and later in a cool-down."""

from datetime import timedelta

from cases import NOON

from relay.backtest.durations import ASSUMED, Origin, durations_of
from relay.backtest.lags import Rebuild, lags_of
from relay.backtest.modelled import ModelledRun, ModelledSync, ModelledTrigger
from relay.backtest.real_runs import JudgedRun
from relay.sync_runs import SyncRun


def at(minutes):
    return NOON + timedelta(minutes=minutes)


def trigger(dbt_run_id, due):
    return ModelledTrigger(
        dbt_run_id=dbt_run_id,
        first_run_id=dbt_run_id,
        because=(),
        due_at=at(due),
        covers_until=at(due),
    )


def runs_of(*triggers, until=1000):
    modelled = ModelledSync(timedelta(minutes=10))
    for one in triggers:
        modelled.advance(one.due_at)
        modelled.add(one)
    modelled.advance(at(until))
    return [(run.began_at, run.dbt_run_ids) for run in modelled.runs]


def test_triggers_that_come_during_a_sync_run_become_one_more():
    triggers = trigger(1, 0), trigger(2, 3), trigger(3, 7), trigger(4, 30)
    assert runs_of(*triggers) == [(at(0), (1,)), (at(10), (2, 3)), (at(30), (4,))]


def test_a_trigger_that_is_not_due_when_a_sync_run_ends_waits():
    assert runs_of(trigger(1, 0), trigger(2, 25)) == [(at(0), (1,)), (at(25), (2,))]
    assert runs_of(trigger(1, 0), trigger(2, 25), until=20) == [(at(0), (1,))]


def test_a_trigger_in_a_cool_down_waits_for_its_due_time_and_holds_no_other():
    modelled = ModelledSync(timedelta(minutes=10))
    for one in (trigger(1, 0), trigger(2, 25), trigger(3, 5)):
        modelled.add(one)
    modelled.advance(at(1000))
    began = [(run.began_at, run.dbt_run_ids) for run in modelled.runs]
    assert began == [(at(0), (1,)), (at(10), (3,)), (at(25), (2,))]


def sync_run(began, took, **fields):
    times = {"created_at": at(began), "completed_at": at(began + took)}
    return SyncRun(sync_run_id=1, **({"status": "completed"} | times | fields))


def test_a_sync_run_takes_the_median_of_the_syncs_completed_ones():
    runs = [sync_run(0, 2), sync_run(20, 4), sync_run(40, 9), sync_run(60, 99, status="failed")]
    found = durations_of({("default", 1): runs, ("default", 2): []})
    assert found["default", 1].takes == timedelta(minutes=4)
    assert found["default", 2].takes == timedelta(minutes=4)
    assert found["default", 2].origin is Origin.ALL_RUNS
    assert durations_of({("default", 1): []})["default", 1].takes == ASSUMED


def real(sync_run_id, began):
    return JudgedRun(
        sync_run_id=sync_run_id,
        began_at=at(began),
        ended_at=at(began + 5),
        trigger_reason=None,
        findings=(),
        is_certain=True,
    )


def test_a_lag_ends_with_the_first_sync_run_that_began_after_the_rebuild():
    rebuilds = [Rebuild(dbt_run_id=9, rebuilt_at=at(0)), Rebuild(dbt_run_id=10, rebuilt_at=at(50))]
    modelled = [ModelledRun(began_at=at(1), ended_at=at(4), dbt_run_ids=(9,))]
    first, second = lags_of(rebuilds, [real(1, -1), real(2, 30)], modelled)
    assert (first.sync_run_id, first.real_seconds, first.modelled_seconds) == (2, 35 * 60, 4 * 60)
    assert first.sooner_seconds == 31 * 60
    assert (second.real_seconds, second.modelled_seconds, second.sooner_seconds) == (None,) * 3
