"""What relay promises about its rows, with several workers at once on a real PostgreSQL."""

import threading

import psycopg_pool
import pytest

from relay.dbt_runs import SUCCESS, DbtRun
from relay.mapping import Sync
from relay.plan import Answered, Plan, Trigger
from relay.sandbox import story
from relay.store import Store

FIRST, RETRY = story.nightly_run(8), story.nightly_run(9)
A = "model.shop.a"
TRIGGER = Plan(triggers=(Trigger(Sync(sync_id=1, depends_on=()), models=(A,)),))


def run_of(dbt_run_id):
    return DbtRun(
        dbt_account_id=story.DBT_ACCOUNT_ID,
        dbt_run_id=dbt_run_id,
        dbt_job_id=7,
        project_id=1,
        environment_id=3,
        status=SUCCESS,
    )


@pytest.fixture(name="two_workers")
def _two_workers(database):
    with psycopg_pool.ConnectionPool(database.conninfo, min_size=2, open=True) as pool:
        yield Store(pool), Store(pool)


def test_a_run_and_its_retry_are_never_decided_in_the_same_moment(relay, two_workers, clock):
    """Else neither would see what the other triggers, and the sync would run twice."""
    relay.deliver(FIRST)
    relay.deliver(RETRY)
    one, other = two_workers
    deciding, go_on = threading.Event(), threading.Event()
    told = []

    def slowly(_answered):
        deciding.set()
        assert go_on.wait(10)
        return TRIGGER

    def decide(answered):
        told.append(answered)
        return Plan()

    first = threading.Thread(
        target=one.dbt_runs.record_plan,
        args=(run_of(8), slowly),
        kwargs={"first_run_id": 8, "now": clock()},
    )
    second = threading.Thread(
        target=other.dbt_runs.record_plan,
        args=(run_of(9), decide),
        kwargs={"first_run_id": 8, "now": clock()},
    )
    first.start()
    assert deciding.wait(10)
    second.start()
    second.join(0.3)
    assert told == [], "it waits until the other is recorded"
    go_on.set()
    first.join(10)
    second.join(10)
    assert told == [{("default", 1): Answered(before=frozenset({A}))}]


def test_a_run_is_decided_once(relay, store, clock):
    relay.deliver(FIRST)
    decided = [
        store.dbt_runs.record_plan(run_of(8), lambda _: TRIGGER, first_run_id=8, now=clock())
        for _ in range(2)
    ]
    assert decided == [TRIGGER, None]
    assert relay.sql("SELECT count(*) FROM relay.triggers") == [(1,)]
