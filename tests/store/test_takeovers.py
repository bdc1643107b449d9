"""A job is one worker's at a time, whoever looks for those that nobody works on."""

import threading
from datetime import timedelta

import pytest

from relay.store import jobs

SILENT_FOR = timedelta(seconds=20)


@pytest.fixture(name="worker")
def _worker(sql):
    """`worker(silent_for=30)`: registers a worker with such a heartbeat; its id."""

    def register(silent_for=0):
        query = (
            "INSERT INTO procrastinate_workers (last_heartbeat)"
            " VALUES (now() - make_interval(secs => %s)) RETURNING id"
        )
        return sql(query, silent_for)[0][0]

    return register


@pytest.fixture(name="job")
def _job(sql):
    """`job(of=worker_id)`: a job under way at that worker's hands; its id."""

    def begin(of):
        ((job_id,),) = sql(
            "SELECT unnest(procrastinate_defer_jobs_v1(ARRAY["
            "ROW(%s, 'evaluate_dbt_run', 0, NULL, NULL, '{\"dbt_run_id\": 7}', NULL)"
            "::procrastinate_job_to_defer_v1]))",
            jobs.QUEUE,
        )
        sql(
            "UPDATE procrastinate_jobs SET status = 'doing', worker_id = %s WHERE id = %s",
            of,
            job_id,
        )
        return job_id

    return begin


@pytest.fixture(name="waiting")
def _waiting(sql):
    """The ids of the jobs that wait, and of those alone."""
    query = "SELECT id FROM procrastinate_jobs WHERE status = 'todo' ORDER BY id"
    return lambda: [job_id for (job_id,) in sql(query)]


def test_the_jobs_of_a_silent_worker_wait_again(store, worker, job, waiting):
    job(of=worker())
    theirs = job(of=worker(silent_for=21))
    nobodys = job(of=None)
    taken = store.takeovers.take_over(silent_for=SILENT_FOR)
    assert waiting() == [theirs, nobodys]
    assert [(each.task, each.arguments) for each in taken] == [
        ("evaluate_dbt_run", {"dbt_run_id": 7})
    ] * 2


def test_a_worker_that_gives_a_sign_of_life_keeps_its_jobs(store, worker, job, waiting):
    silent = worker(silent_for=21)
    job(of=silent)
    store.takeovers.record_heartbeat([silent])
    assert store.takeovers.take_over(silent_for=SILENT_FOR) == []
    assert waiting() == []


def test_of_several_that_look_at_once_one_takes_a_job(store, worker, job):
    silent = worker(silent_for=60)
    for _ in range(50):
        job(of=silent)
    taken = []

    def look():
        for _ in range(20):
            taken.extend(store.takeovers.take_over(silent_for=SILENT_FOR))

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 50


def test_a_worker_takes_back_what_it_lost_hold_of(store, worker, job, waiting):
    ours, another = worker(), worker()
    lost, held, theirs = job(of=ours), job(of=ours), job(of=another)
    assert store.takeovers.jobs_of([ours]) == {lost, held}
    (taken,) = store.takeovers.requeue([lost, theirs], [ours])
    assert taken.arguments == {"dbt_run_id": 7}
    assert waiting() == [lost]


class TestAClockThatWasAhead:
    """The database's own, set back: signs of life are of a time that has not come yet."""

    def test_does_not_keep_a_dead_worker_alive(self, store, worker, job, waiting, sql):
        theirs = job(of=worker(silent_for=-7200))
        assert store.takeovers.take_over(silent_for=SILENT_FOR) == []
        sql("UPDATE procrastinate_workers SET last_heartbeat = last_heartbeat - interval '21 s'")
        store.takeovers.take_over(silent_for=SILENT_FOR)
        assert waiting() == [theirs]

    def test_shows_no_worker_that_is_not_there(self, store, worker):
        worker(silent_for=-7200)
        assert store.status.last_heartbeat()[1] is None

    def test_does_not_keep_a_periodic_task_waiting(self, store, clock, sql):
        store.periodic_tasks.make_due(jobs.PRUNE, at=clock())
        hour = timedelta(hours=1)
        store.periodic_tasks.defer_if_due(jobs.PRUNE, now=clock() + 5 * hour, every=hour)
        for _ in range(2):
            store.periodic_tasks.defer_if_due(jobs.PRUNE, now=clock(), every=hour)
        assert sql("SELECT count(*) FROM procrastinate_jobs") == [(2,)]
