"""A worker takes over the jobs of the dead within the minute, and its own lost ones at once."""

import asyncio
from dataclasses import replace
from types import SimpleNamespace

import psycopg
import pytest

from relay.sandbox import story
from relay.store import Store, jobs
from relay.worker.watch import HEARTBEAT_SECONDS, JobWatch


class Monotonic:
    """A monotonic clock that stands still until a test ticks it."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Connections:
    """A pool's connections, or those of a database that is gone."""

    def __init__(self, pool):
        self._pool, self.gone = pool, False

    def connection(self):
        if self.gone:
            raise psycopg.OperationalError("gone")
        return self._pool.connection()


@pytest.fixture(name="monotonic")
def _monotonic():
    return Monotonic()


@pytest.fixture(name="connections")
def _connections(store):
    return Connections(store.takeovers._connections)


@pytest.fixture(name="watch")
def _watch(one, monotonic, connections):
    return JobWatch(replace(one.services, store=Store(connections)), monotonic)


@pytest.fixture(name="begun")
def _begun(one, sql):
    """A delivery's job, running in a worker; (worker id, job id)."""

    def begin(*, silent_for=0):
        one.deliver(story.nightly_run(story.FIRST_DBT_RUN_ID))
        return sql(
            "WITH worker AS (INSERT INTO procrastinate_workers (last_heartbeat)"
            " VALUES (now() - make_interval(secs => %s)) RETURNING id)"
            " UPDATE procrastinate_jobs SET status = 'doing', worker_id = (SELECT id FROM worker)"
            " WHERE task_name = %s RETURNING worker_id, id",
            silent_for,
            jobs.EVALUATE_DBT_RUN,
        )[0]

    return begin


def work_on(engine, worker_id, job_id, work):
    """Have an engine do a job, as Procrastinate calls its middleware."""
    context = SimpleNamespace(job=SimpleNamespace(id=job_id))

    async def do():
        work()

    asyncio.run(engine.track(do, context, SimpleNamespace(worker_id=worker_id)))


def test_the_job_of_a_dead_worker_is_done_by_who_looks(watch, begun, one, events):
    begun(silent_for=21)
    watch.check()
    (rescued,) = events("job.rescued")
    assert (rescued["task"], rescued["dbt_run_id"]) == (
        jobs.EVALUATE_DBT_RUN,
        story.FIRST_DBT_RUN_ID,
    )
    one.work()
    assert len(events("sync.triggered")) == 1


def test_after_an_outage_nobody_is_judged_before_a_sign_of_life_was_possible(
    watch, connections, monotonic, begun, events
):
    begun(silent_for=60)
    connections.gone = True
    watch.check()
    connections.gone = False
    watch.check()
    assert events("job.rescued") == []
    monotonic.now += 2 * HEARTBEAT_SECONDS
    watch.check()
    assert len(events("job.rescued")) == 1


class TestAnEngineThatEnds:
    def test_has_its_lost_job_taken_back_at_the_second_look(self, watch, begun, events):
        engine = watch.add_engine()
        work_on(engine, *begun(), work=lambda: None)  # its end is never recorded
        watch.check()
        watch.check()
        assert events("job.rescued") == []  # it may still be recorded
        engine.is_ending = True
        watch.check()
        assert events("job.rescued") == []
        watch.check()
        assert len(events("job.rescued")) == 1

    def test_keeps_the_job_that_it_still_works_on(self, watch, begun, events, sql):
        engine = watch.add_engine()
        engine.is_ending = True

        def look_meanwhile():
            sql("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 hour'")
            for _ in range(3):
                watch.check()

        work_on(engine, *begun(), work=look_meanwhile)
        assert events("job.rescued") == []


def test_periodic_tasks_are_deferred_every_ten_seconds(watch, one, monotonic, sql):
    one.start()
    one.tick(1)

    def deferred():
        query = "SELECT task_name FROM procrastinate_jobs ORDER BY task_name"
        return [name for (name,) in sql(query)]

    watch.check()
    assert deferred() == [jobs.CATCH_UP, jobs.PRUNE, jobs.REVIEW_ALERTS]
    one.tick(3600)
    watch.check()
    assert len(deferred()) == 3
    monotonic.now += 10
    watch.check()
    every_time = [jobs.CATCH_UP, jobs.PRUNE, jobs.REVIEW_ALERTS]
    assert deferred() == sorted([*every_time, *every_time, jobs.CHECK_DRIFT])
