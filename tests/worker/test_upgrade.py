"""A database of the version before is brought up to date, and its open work is finished."""

import uuid
from datetime import timedelta

import psycopg
import pytest
from psycopg.types.json import Jsonb

from relay.postgres.migrate import _migrate_the_engine, migrate
from relay.postgres.migrations import HEAD
from relay.postgres.migrations.run import upgrade
from relay.sandbox import story
from relay.store import jobs
from relay.worker.watch import JobWatch

ACCOUNT, NIGHT = story.DBT_ACCOUNT_ID, story.FIRST_DBT_RUN_ID
ONE_SYNC = "version: 1\nsyncs:\n  - {sync_id: 5123, depends_on: [customers]}\n"
CUSTOMERS = "model.jaffle_crm.customers"


@pytest.fixture(name="database")
def _database_at_0001(empty_database):
    """A server whose database the version before has made."""
    with psycopg.connect(empty_database.conninfo, autocommit=True) as connection:
        assert list(_migrate_the_engine(connection)) == ["procrastinate"]
    assert next(upgrade(empty_database.conninfo)) == "0001"
    return empty_database


@pytest.fixture(name="old")
def _old(relay):
    """What the version before has written, by its own SQL; the mapping has one sync, 5123."""
    relay.map(ONE_SYNC)
    yield Old(relay)
    assert relay.sql("SELECT task_name FROM procrastinate_jobs WHERE status = 'failed'") == []


@pytest.fixture(name="events")
def _events(logged):
    """The log lines of these events so far."""
    return lambda *names: [line for line in logged if line["event"] in names]


class Old:
    """Writes rows and jobs as the version before did."""

    def __init__(self, relay):
        self.sql, self.now, self.relay = relay.sql, relay.clock(), relay

    def job(self, task, arguments, *, at=None, lock=None, priority=0):
        self.sql(
            "SELECT procrastinate_defer_jobs_v1(ARRAY["
            "ROW('relay', %s, %s, %s, NULL, %s, %s)::procrastinate_job_to_defer_v1])",
            task,
            priority,
            lock,
            Jsonb(arguments),
            at,
        )

    def delivered(self, dbt_run_id):
        """A run that web has recorded."""
        self.relay.sandbox.dbt_cloud.add_run(story.nightly_run(dbt_run_id))
        self.sql(_RECORD, uuid.uuid4(), f"wev_{dbt_run_id}", ACCOUNT, dbt_run_id, b"{}")

    def trigger(self, sync_id, dbt_run_id, *, due_at=None, attempt_id=None):
        """A run that was decided, and its trigger of a sync."""
        self.sql(
            "INSERT INTO relay.dbt_runs (dbt_account_id, dbt_run_id, planned_at, first_run_id)"
            " VALUES (%s, %s, %s, %s)",
            *(ACCOUNT, dbt_run_id, self.now, dbt_run_id),
        )
        self.sql(
            "INSERT INTO relay.decisions VALUES ('default', %s, %s, %s, 'rebuilt', %s, '{}', '[]',"
            " %s)",
            *(sync_id, ACCOUNT, dbt_run_id, [CUSTOMERS], self.now),
        )
        self.sql(
            "INSERT INTO relay.triggers (workspace, sync_id, dbt_account_id, dbt_run_id, full_sync,"
            " because, through, requested_at, due_at, ran_for, attempt_id)"
            " VALUES ('default', %s, %s, %s, false, %s, '{}', %s, %s, %s, %s)",
            *(sync_id, ACCOUNT, dbt_run_id, [CUSTOMERS], self.now, due_at or self.now),
            *(self.now, attempt_id),
        )

    def attempt(self, sync_id, **columns):
        """A row of relay.sync_runs; its attempt_id."""
        columns = {"begun_at": self.now, "sent_at": self.now, **columns}
        names, values = ", ".join(columns), ", ".join(["%s"] * len(columns))
        return self.sql(
            f"INSERT INTO relay.sync_runs (workspace, sync_id, full_sync, {names})"
            f" VALUES ('default', %s, false, {values}) RETURNING attempt_id",
            *(sync_id, *columns.values()),
        )[0][0]

    def migrate(self):
        """What the first process of the new version does."""
        assert migrate(self.relay.database) == tuple(
            f"{number:04}" for number in range(2, int(HEAD) + 1)
        )
        names = {name for (name,) in self.sql("SELECT task_name FROM procrastinate_jobs")}
        assert names & set(jobs.FORMER_NAMES.values()) == set()


# As web of the version before wrote a delivery with its run and job.
_RECORD = """
WITH recorded AS (
    INSERT INTO relay.deliveries (delivery_id, event_id, dbt_account_id, dbt_run_id, body)
    VALUES (%s, %s, %s, %s, %s)
    RETURNING delivery_id, event_id, dbt_account_id, dbt_run_id
), new_runs AS (
    INSERT INTO relay.dbt_runs (dbt_account_id, dbt_run_id, delivery_id, event_id)
    SELECT dbt_account_id, dbt_run_id, delivery_id, event_id FROM recorded
    RETURNING dbt_account_id, dbt_run_id
)
SELECT procrastinate_defer_jobs_v1(array_agg(
    ROW('relay', 'relay_run', 0, NULL, NULL,
        jsonb_build_object('dbt_account_id', dbt_account_id, 'dbt_run_id', dbt_run_id),
        NULL)::procrastinate_job_to_defer_v1))
FROM new_runs
"""


def test_indexes_are_named_as_what_they_index(old):
    old.migrate()
    rows = old.sql("SELECT indexname FROM pg_indexes WHERE schemaname = 'relay'")
    names = {name for (name,) in rows}
    assert {"periodic_tasks_pkey", "runs_of_one_retry_chain"} <= names
    assert {"chores_pkey", "attempts_at_one_run"} & names == set()


def test_a_run_that_waits_is_evaluated(old, relay, events):
    old.delivered(NIGHT)
    old.migrate()
    relay.work()
    assert [line["dbt_run_ids"] for line in events("sync.triggered")] == [[NIGHT]]


def test_a_run_that_failed_goes_on_with_what_it_has_spent(old, relay, events):
    relay.sandbox.dbt_cloud.add_run(story.nightly_run(NIGHT))
    old.sql(
        "INSERT INTO relay.dbt_runs (dbt_account_id, dbt_run_id, faults, paused, problem)"
        " VALUES (%s, %s, 9, 1700.5, 'HTTP 503')",
        *(ACCOUNT, NIGHT),
    )
    arguments = {"dbt_account_id": ACCOUNT, "dbt_run_id": NIGHT}
    old.job("relay_run", arguments, at=old.now + timedelta(seconds=200))
    old.migrate()
    assert relay.sql("SELECT failures, backoff_spent FROM relay.dbt_runs") == [(9, 1700.5)]
    relay.work_for(199)
    assert events("dbt_run.planned") == []
    relay.work_for(1)
    assert len(events("sync.triggered")) == 1


def test_an_attempt_without_an_answer_is_reconciled_and_not_sent_again(old, relay, sandbox, events):
    begun = sandbox.census.trigger(5124)
    at = old.now + timedelta(seconds=60)
    attempt_id = old.attempt(5124, look_from=at, faults=1, paused=60.0)
    old.trigger(5124, NIGHT, attempt_id=attempt_id)
    old.job("wake_sync", {"workspace": "default", "sync_id": 5124}, at=at)
    old.migrate()
    relay.work_for(59)
    assert sandbox.census.requests_to("/syncs/5124/sync_runs") == []
    relay.work_for(1)
    (recovered,) = events("sync.trigger_recovered")
    assert recovered["sync_run_id"] == begun.sync_run_id
    assert sandbox.census.requests_to("/trigger") == []


def test_a_followed_sync_run_is_polled_to_its_end(old, relay, sandbox, events):
    run = sandbox.census.trigger(5125)
    attempt_id = old.attempt(
        5125, sync_run_id=run.sync_run_id, triggered_at=old.now, looks=3, status="working"
    )
    old.trigger(5125, NIGHT, attempt_id=attempt_id)
    at = old.now + timedelta(seconds=15)
    old.job("look_at_sync_run", {"attempt_id": attempt_id, "looks": 3}, at=at)
    old.migrate()
    relay.work_for(15)
    assert relay.sql("SELECT polls FROM relay.sync_runs") == [(4,)]
    sandbox.census.finish(run.sync_run_id)
    relay.work_for(15)
    (finished,) = events("sync_run.finished")
    assert (finished["dbt_run_ids"], finished["seconds"]) == ([NIGHT], 30)


def test_a_cool_down_ends_when_it_was_to(old, relay, events):
    at = old.now + timedelta(seconds=900)
    old.trigger(5126, NIGHT, due_at=at)
    old.job("wake_sync", {"workspace": "default", "sync_id": 5126}, at=at)
    old.migrate()
    relay.work_for(899)
    assert events("sync.triggered") == []
    relay.work_for(1)
    assert [line["sync_id"] for line in events("sync.triggered")] == [5126]


def test_a_job_of_a_worker_that_died_is_done(old, relay, events):
    old.trigger(5126, NIGHT)
    sync = {"workspace": "default", "sync_id": 5126}
    old.job("run_sync", sync, lock="sync/default/5126", priority=1)
    old.sql(
        "WITH dead AS (INSERT INTO procrastinate_workers (last_heartbeat)"
        " VALUES (now() - interval '1 hour') RETURNING id)"
        " UPDATE procrastinate_jobs SET status = 'doing', worker_id = (SELECT id FROM dead)"
    )
    old.migrate()
    relay.sql(
        "SELECT procrastinate_defer_jobs_v1(ARRAY[ROW(%s, 'round', 0, NULL, NULL,"
        " '{\"timestamp\": 0}', NULL)::procrastinate_job_to_defer_v1])",
        jobs.QUEUE,
    )
    JobWatch(relay.services).check()
    relay.work()
    assert relay.sql("SELECT 1 FROM procrastinate_jobs WHERE task_name = 'round'") == []
    assert [line["task"] for line in events("job.rescued")] == ["start_sync_run"]
    assert [line["sync_id"] for line in events("sync.triggered")] == [5126]


def test_the_periodic_tasks_keep_their_times(old, relay, sandbox, events):
    at = old.now + timedelta(seconds=300)
    old.sql("INSERT INTO relay.chores VALUES ('catch_up', %s), ('prune', %s)", at, at)
    start = old.now - timedelta(hours=1)
    old.sql("INSERT INTO relay.catch_ups VALUES (%s, %s, %s)", ACCOUNT, start, start)
    sandbox.dbt_cloud.add_run(story.nightly_run(NIGHT))
    old.migrate()
    relay.round()
    assert events("dbt_run.caught_up") == []
    relay.tick(300)
    relay.round()
    assert len(events("dbt_run.caught_up")) == 1
    assert len(events("sync.triggered")) == 1


def test_what_was_triggered_and_what_it_covers_stay_as_they_were(old, relay):
    old.trigger(5123, NIGHT)
    old.sql("UPDATE relay.triggers SET is_redone = true")
    old.migrate()
    assert relay.sql("SELECT superseded, covers_until FROM relay.triggers") == [(True, old.now)]


def test_no_job_is_left_where_an_older_worker_would_take_it_and_fail_it(old, relay):
    old.delivered(NIGHT)
    old.job("look_at_sync_run", {"attempt_id": 1, "looks": 0})
    old.migrate()
    assert relay.sql("SELECT DISTINCT queue_name FROM procrastinate_jobs") == [(jobs.QUEUE,)]


@pytest.mark.parametrize("written", ["a delivery", "an end", "a wake"])
def test_what_an_older_process_writes_after_the_migration_is_done_too(old, relay, events, written):
    """Web may go on during an upgrade, and a worker end what it had begun."""
    old.migrate()
    sync = {"workspace": "default", "sync_id": 5123}
    match written:
        case "a delivery":
            old.delivered(NIGHT)
        case "an end":
            relay.services.store.triggers.add_manual("default", 5123, full_sync=False, now=old.now)
            relay.sql("DELETE FROM procrastinate_jobs")
            old.job("run_sync", sync, lock="sync/default/5123", priority=1)
        case "a wake":
            relay.services.store.triggers.add_manual("default", 5123, full_sync=False, now=old.now)
            relay.sql("DELETE FROM procrastinate_jobs")
            old.job("wake_sync", sync, at=old.now)
    relay.work()
    assert [line["sync_id"] for line in events("sync.triggered")] == [5123]
