"""The job that decides on a dbt run goes on with the first sync run that it triggers."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
import pytest
from mappings import mapping_text, sync_entry
from sandbox_runs import NIGHT, night

from relay.sandbox.story import DBT_ACCOUNT_ID
from relay.sandbox.wire import Delay
from relay.store import Attempt, jobs
from relay.store.jobs import RunningJob
from relay.worker.tasks import evaluate_dbt_run

TWO = mapping_text(sync_entry(5123, "customers"), sync_entry(5124, "customers"))


@pytest.fixture(name="posts")
def _posts(sandbox):
    return lambda: len(sandbox.census.requests_to("/trigger"))


@pytest.fixture(name="taken")
def _taken(sql):
    """Take the waiting job, as a worker with a heartbeat of so many seconds ago does."""

    def take(silent_for=0):
        ((worker_id,),) = sql(
            "INSERT INTO procrastinate_workers (last_heartbeat)"
            " VALUES (now() - make_interval(secs => %s)) RETURNING id",
            silent_for,
        )
        ((job_id, attempts),) = sql(
            "UPDATE procrastinate_jobs SET status = 'doing', worker_id = %s"
            " WHERE task_name = 'evaluate_dbt_run' RETURNING id, attempts",
            worker_id,
        )
        return RunningJob(job_id, attempts)

    return take


@pytest.fixture(name="stored")
def _stored(sql):
    """The jobs of syncs: id, task, state, lock."""
    query = (
        "SELECT id, task_name, status::text, lock FROM procrastinate_jobs"
        " WHERE args ? 'sync_id' ORDER BY id"
    )
    return lambda: sql(query)


def decide(one, job):
    evaluate_dbt_run(one.services, job, dbt_account_id=DBT_ACCOUNT_ID, dbt_run_id=NIGHT)


def test_it_becomes_the_start_of_the_first_sync_and_the_others_get_jobs(one, taken, stored):
    one.map(TWO)
    one.deliver(night())
    job = taken()
    decide(one, job)
    assert job.goes_on.task == jobs.START_SYNC_RUN
    assert job.goes_on.arguments == {"workspace": "default", "sync_id": 5123}
    (first, second) = stored()
    assert first == (job.job_id, "start_sync_run", "doing", None)
    assert second[1:] == ("start_sync_run", "todo", "sync/default/5124")


def test_a_dbt_run_with_one_sync_is_one_job_until_its_sync_run_is_polled(one, sql, posts):
    one.map(mapping_text(sync_entry(5123, "customers")))
    one.deliver(night())
    ((before,),) = sql("SELECT max(id) FROM procrastinate_jobs")
    one.work()
    assert posts() == 1
    assert sql("SELECT task_name FROM procrastinate_jobs WHERE id > %s", before) == [
        ("poll_sync_run",)
    ]


def test_a_worker_that_dies_after_it_decided_leaves_the_start_to_another(one, taken, store, posts):
    one.map(TWO)
    one.deliver(night())
    decide(one, taken(silent_for=60))
    one.work()
    assert posts() == 1, "the second sync has a job of its own"
    (rescued,) = store.takeovers.take_over(silent_for=timedelta(seconds=20))
    assert (rescued.task, rescued.arguments["sync_id"]) == ("start_sync_run", 5123)
    one.work_for(30)
    assert posts() == 2
    one.work_for(120)
    assert posts() == 2


@pytest.mark.parametrize("is_run_again", [False, True])
def test_a_job_that_was_taken_over_meanwhile_leaves_every_start_to_others(
    one, taken, stored, store, sql, is_run_again
):
    """Also if the worker that it was taken from has taken it a second time."""
    one.map(TWO)
    one.deliver(night())
    job = taken(silent_for=60)
    assert store.takeovers.take_over(silent_for=timedelta(seconds=20))
    if is_run_again:
        sql("UPDATE procrastinate_jobs SET status = 'doing' WHERE id = %s", job.job_id)
    decide(one, job)
    assert job.goes_on is None
    assert [each[1:3] for each in stored()] == [("start_sync_run", "todo")] * 2


def test_a_decision_that_is_not_committed_leaves_the_job_what_it_was(one, taken, stored, sql):
    one.map(TWO)
    one.deliver(night())
    job = taken()
    sql(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE 'the disk is full'; END $$;"
        " CREATE TRIGGER refuse BEFORE INSERT ON relay.triggers EXECUTE FUNCTION refuse()"
    )
    with pytest.raises(psycopg.Error):
        decide(one, job)
    assert job.goes_on is None
    assert stored() == []


def test_a_worker_whose_job_was_taken_over_does_not_end_what_it_has_become(
    one, store, sandbox, taken, stored
):
    """Its own evaluation finds the run decided, and ends: the other worker may die in its POST."""
    one.deliver(night())
    sandbox.dbt_cloud.fail_next("/runs/", Delay(2))
    with ThreadPoolExecutor() as pool:
        slow = pool.submit(one.work)
        while not sandbox.dbt_cloud.requests_to("/runs/"):
            time.sleep(0.01)
        store.takeovers.take_over(silent_for=timedelta())
        job = taken()
        decide(one, job)
        slow.result()
    assert stored() == [(job.job_id, "start_sync_run", "doing", None)]


def test_of_two_workers_that_begin_a_sync_at_once_one_begins(one, store, sql, database):
    """Each has seen no attempt, and another trigger: the second waits for the end of the first."""
    now = one.clock()
    store.triggers.add_manual("default", 5123, full_sync=False, now=now)
    with psycopg.connect(database.conninfo) as other, ThreadPoolExecutor() as pool:
        other.execute(
            "INSERT INTO relay.sync_runs"
            " (workspace, sync_id, full_sync, begun_at, sent_at, reconcile_after)"
            " VALUES ('default', 5123, false, now(), now(), now())"
        )
        begun = pool.submit(store.attempts.begin, "default", 5123, now=now, reconcile_after=now)
        other.commit()
        assert begun.result(10) is None
    assert sql("SELECT count(*) FROM relay.sync_runs") == [(1,)]
    sql("UPDATE relay.sync_runs SET ended_at = now(), outcome = 'refused'")
    again = store.attempts.begin("default", 5123, now=now, reconcile_after=now)
    assert isinstance(again, Attempt)


@pytest.mark.parametrize(
    ("seconds", "woken"), [(None, True), (-5, True), (5, False)], ids=["now", "past", "later"]
)
def test_a_job_that_is_scheduled_for_later_wakes_no_worker(database, seconds, woken):
    """Workers look for due jobs every second; a poll that is scheduled would wake all of them."""
    with psycopg.connect(database.conninfo, autocommit=True) as connection:
        connection.execute(f'LISTEN "procrastinate_queue_v1#{jobs.QUEUE}"')
        ((at,),) = connection.execute("SELECT now() + make_interval(secs => %s)", (seconds,))
        jobs.poll_sync_run(connection, 7, polls=0, at=at)
        assert bool(list(connection.notifies(timeout=0.3, stop_after=1))) is woken
