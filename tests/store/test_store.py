"""What relay promises about its rows, with several workers at once on a real PostgreSQL."""

import threading
from datetime import timedelta

import msgspec
import psycopg
import pytest
from cases import dbt_run, mapping_of, sync

from relay.decision.gates import Reason
from relay.decision.history import Build, SyncHistory
from relay.decision.plan import Plan, Verdict
from relay.postgres.connections import open_pool
from relay.sandbox import story
from relay.store import Store
from relay.worker.tasks import start_sync_run

FIRST, RETRY = story.nightly_run(8), story.nightly_run(9)
A = "model.shop.a"
NO_SYNCS = mapping_of()


def run_of(dbt_run_id, *, retries=()):
    return dbt_run(
        dbt_account_id=story.DBT_ACCOUNT_ID,
        dbt_run_id=dbt_run_id,
        finished_at=None,
        retried_runs=tuple(run_of(retried) for retried in retries),
    )


def built_by(dbt_run_id, finished_at):
    return Build(
        dbt_run_id=dbt_run_id,
        dbt_job_id=7,
        environment_id=3,
        finished_at=finished_at,
        is_good=True,
    )


def trigger(now):
    return Verdict(
        sync=sync("a"),
        reason=Reason.REBUILT,
        models=(A,),
        conditions=(),
        through={},
        due_at=now,
        covers_until=now,
    )


def record(store, run, plan, *, now, mapping=NO_SYNCS):
    """Record a plan that was made without looking; None if the run was decided already."""
    with store.dbt_runs.begin_decision(run, mapping, now=now) as deciding:
        return deciding and deciding.record(plan)


@pytest.fixture(name="two_workers")
def _two_workers(database):
    with open_pool(database, max_size=4) as pool:
        yield Store(pool), Store(pool)


@pytest.fixture(name="in_one_moment")
def _in_one_moment(relay, two_workers, clock):
    """The history that one worker sees who comes to decide while another one decides this."""
    relay.deliver(FIRST)
    relay.deliver(RETRY)
    one, other = two_workers
    deciding, go_on = threading.Event(), threading.Event()
    seen = []

    def race(mapping, plan, second_run):
        def decide_slowly():
            with one.dbt_runs.begin_decision(run_of(8), mapping, now=clock()) as decision:
                deciding.set()
                assert go_on.wait(10)
                decision.record(plan)

        def decide():
            with other.dbt_runs.begin_decision(second_run, mapping, now=clock()) as decision:
                seen.append(decision.history([A]))

        first, second = threading.Thread(target=decide_slowly), threading.Thread(target=decide)
        first.start()
        assert deciding.wait(10)
        second.start()
        second.join(0.3)
        assert seen == [], "it waits until the other is recorded"
        go_on.set()
        first.join(10)
        second.join(10)
        return seen[0]

    return race


def test_a_run_and_its_retry_are_never_decided_in_the_same_moment(in_one_moment, clock):
    """Else neither would see what the other triggers, and the sync would run twice."""
    plan = Plan((trigger(clock()),))
    history = in_one_moment(NO_SYNCS, plan, run_of(9, retries=[8]))
    assert history.syncs == {("default", 1): SyncHistory(answered_before=frozenset({A}))}


def test_two_runs_that_one_sync_waits_for_are_never_decided_in_the_same_moment(
    in_one_moment, clock
):
    """Else neither would see what the other rebuilt, and the sync would wait for ever."""
    mapping = mapping_of(sync("a", require="all"))
    built = built_by(8, clock())
    assert in_one_moment(mapping, Plan(builds={A: built}), run_of(9)).builds == {A: (built,)}


def test_of_two_runs_the_later_one_is_kept_whichever_is_recorded_first(relay, store, clock):
    relay.deliver(FIRST)
    relay.deliver(RETRY)
    for dbt_run_id, seconds in ((9, 60), (8, 0)):
        plan = Plan(builds={A: built_by(dbt_run_id, clock() + timedelta(seconds=seconds))})
        record(store, run_of(dbt_run_id), plan, now=clock())
    assert relay.sql("SELECT dbt_run_id FROM relay.builds") == [(9,)]


def test_a_run_is_decided_once(relay, store, clock):
    relay.deliver(FIRST)
    plan = Plan((trigger(clock()),))
    assert [record(store, run_of(8), plan, now=clock()) for _ in range(2)] == [plan, None]
    assert relay.sql("SELECT count(*) FROM relay.triggers") == [(1,)]


def test_a_failed_run_does_not_forget_when_a_model_was_last_rebuilt(relay, store, clock):
    began, ended = clock(), clock() + timedelta(seconds=5)
    rebuilt = msgspec.structs.replace(built_by(8, clock()), began=began, ended=ended)
    failed = msgspec.structs.replace(built_by(9, clock() + timedelta(seconds=60)), is_good=False)
    relay.deliver(FIRST)
    relay.deliver(RETRY)
    for build in (rebuilt, failed):
        record(store, run_of(build.dbt_run_id), Plan(builds={A: build}), now=clock())
    assert relay.sql("SELECT is_good, began, ended FROM relay.builds") == [(False, began, ended)]


def test_a_trigger_that_comes_while_a_run_ends_is_not_left_waiting(relay, sandbox, database):
    """Its job finds the run open, though the transaction that ends it has seen no trigger."""
    relay.map("version: 1\nsyncs:\n  - {sync_id: 5123, depends_on: [customers]}\n")
    for night in (8, 9):
        relay.deliver(story.nightly_run(night))
        relay.work()
    (first,) = sandbox.census.sync_runs
    sandbox.census.finish(first.sync_run_id)
    ask = threading.Thread(
        target=start_sync_run,
        args=(relay.services,),
        kwargs={"workspace": "default", "sync_id": 5123},
    )
    with psycopg.connect(database.conninfo) as ending:
        ending.execute("UPDATE relay.sync_runs SET ended_at = now(), outcome = 'completed'")
        ask.start()
        ask.join(0.3)
        assert len(sandbox.census.sync_runs) == 1, "it waits until the end is recorded"
    ask.join(10)
    assert len(sandbox.census.sync_runs) == 2
