"""Workers that are killed, stopped, or lose their database, while a vendor is slow."""

import os
import signal
import time
from datetime import datetime

import psycopg
import pytest

from crash.stage import ONE_SYNC, kill_server
from relay.sandbox import story
from relay.sandbox.wire import Delay
from relay.vendors.connect import CONNECTIONS

RUN, NEXT_RUN = story.FIRST_DBT_RUN_ID, story.FIRST_DBT_RUN_ID + 1
TAKEN_OVER_WITHIN = 60.0  # seconds: the contract's
STOPPED_WITHIN = 25.0  # seconds: likewise
FOR_EVER = Delay(600)


def until_asked(stage, stand_in, path):
    stage.wait_until(lambda: stand_in.requests_to(path), f"a request to {path}")


def suspend(stage, process):
    """Stop a process while it is in no transaction: others would wait for its locks."""

    def is_suspended():
        os.kill(process.pid, signal.SIGSTOP)
        if stage.sql(_IN_TRANSACTION) == [(0,)]:
            return True
        os.kill(process.pid, signal.SIGCONT)
        return False

    stage.wait_until(is_suspended, "a worker that is in no transaction")


_IN_TRANSACTION = """
SELECT count(*) FROM pg_stat_activity
WHERE backend_type = 'client backend' AND state <> 'idle' AND pid <> pg_backend_pid()
"""


@pytest.fixture(name="outlasting", scope="class")
def _outlasting(new_stage):
    """A worker in a call to Census that takes longer than the shutdown."""
    with new_stage() as stage:
        stage.map(ONE_SYNC)
        stage.census.fail_next("/trigger", FOR_EVER)
        stage.worker(RELAY_HTTP_TIMEOUT="10m")
        stage.record()
        until_asked(stage, stage.census, "/trigger")
        yield stage


@pytest.fixture(name="killed_while_triggering", scope="class")
def _killed_while_triggering(new_stage):
    """A worker killed after its POST started a sync run, before the response; then another."""
    with new_stage() as stage:
        stage.map(ONE_SYNC)
        stage.census.fail_next("/trigger", FOR_EVER)
        worker = stage.worker()
        stage.record()
        stage.wait_until(lambda: stage.census.sync_runs, "a sync run")
        worker.kill()
        assert stage.sql("SELECT sync_run_id FROM relay.sync_runs") == [(None,)]
        stage.worker()
        yield stage


@pytest.fixture(name="killed_beside_another", scope="class")
def _killed_beside_another(new_stage):
    """A worker killed during a request to dbt Cloud, while another one is idle."""
    with new_stage() as stage:
        stage.dbt_cloud.fail_next(f"/runs/{RUN}", FOR_EVER)
        killed = stage.worker(RELAY_HTTP_TIMEOUT="10m")
        stage.record()
        until_asked(stage, stage.dbt_cloud, f"/runs/{RUN}")
        stage.worker()
        killed.kill()
        stage.killed_at = time.time()
        yield stage


@pytest.fixture(name="killed_beside_a_busy_one", scope="class")
def _killed_beside_a_busy_one(new_stage):
    """A worker killed during a job, while every slot of the other hangs in a call to dbt Cloud."""
    with new_stage() as stage:
        stage.dbt_cloud.fail_next("/runs/", FOR_EVER, times=CONNECTIONS + 1)
        killed = stage.worker(RELAY_HTTP_TIMEOUT="10m")
        stage.record()
        until_asked(stage, stage.dbt_cloud, f"/runs/{RUN}")
        suspend(stage, killed)  # so that it takes none of the next jobs
        stage.worker(RELAY_HTTP_TIMEOUT="10m")
        for number in range(1, CONNECTIONS + 1):
            stage.record(RUN + number)
        until_asked(stage, stage.dbt_cloud, f"/runs/{RUN + CONNECTIONS}")
        killed.kill()
        stage.killed_at = time.time()
        yield stage


@pytest.fixture(name="database_killed", scope="class")
def _database_killed(new_stage):
    """The database killed while a worker is triggering four syncs; then another dbt run comes."""
    with new_stage() as stage:
        stage.census.fail_next("/trigger", Delay(0.3), times=4)
        stage.worker()
        stage.record()
        stage.wait_until(lambda: stage.census.sync_runs, "a sync run")
        kill_server(stage.data_dir)
        stage.server.ensure_running()
        stage.record(NEXT_RUN)
        yield stage


@pytest.fixture(name="failed_over", scope="class")
def _failed_over(new_stage):
    """The database is read-only for a while, when a worker is triggering four syncs."""
    with new_stage() as stage:
        stage.census.fail_next("/trigger", Delay(1), times=4)
        stage.worker()
        stage.record()
        stage.wait_until(lambda: stage.census.sync_runs, "a sync run")
        fail_over(stage, "SET default_transaction_read_only = on")
        stage.wait_for("worker.lost_the_database")
        stage.wait_for("task.failed")
        fail_over(stage, "RESET default_transaction_read_only", cuts_connections=False)
        yield stage


def fail_over(stage, change, *, cuts_connections=True):
    """Change a setting of new sessions."""
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    writing = {"options": "-c default_transaction_read_only=off", "autocommit": True}
    with psycopg.connect(stage.server.conninfo, **writing) as connection:
        connection.execute(f"ALTER DATABASE postgres {change}")
        if cuts_connections:
            connection.execute(f"{cut} AND backend_type = 'client backend'")


@pytest.fixture(name="all_at_once", scope="class")
def _all_at_once(
    outlasting,
    killed_while_triggering,
    killed_beside_another,
    killed_beside_a_busy_one,
    database_killed,
    failed_over,
):
    """Start all long waits at once, before the first test."""


@pytest.mark.timeout(100)
@pytest.mark.usefixtures("all_at_once")
class TestAtWork:
    def test_a_call_that_outlasts_the_drain_does_not_hold_a_stopping_worker(self, outlasting):
        (worker,) = outlasting.processes
        began = time.monotonic()
        worker.terminate()
        assert worker.wait(40) == 0
        assert 15 < time.monotonic() - began <= STOPPED_WITHIN
        assert worker.logged("worker.stopped", drained=False)
        # The unfinished job is not lost: the others take it over as that of a dead worker.
        outlasting.server.join()
        jobs = outlasting.sql("SELECT task_name, status::text FROM procrastinate_jobs")
        outlasting.server.leave()
        assert ("start_sync_run", "doing") in jobs or ("start_sync_run", "todo") in jobs

    def test_a_worker_killed_between_a_trigger_and_its_record_triggers_nothing_twice(
        self, killed_while_triggering
    ):
        stage = killed_while_triggering
        finished = stage.wait_for("sync_run.finished", seconds=TAKEN_OVER_WITHIN)
        (run,) = stage.census.sync_runs
        assert len(stage.census.requests_to("/trigger")) == 1
        (recovered,) = stage.logged("sync.trigger_recovered")
        (triggered,) = stage.logged("sync.triggered")
        assert recovered["sync_run_id"] == triggered["sync_run_id"] == run.sync_run_id
        assert triggered["dbt_run_id"] == RUN
        assert triggered["because"] == ["model.jaffle_crm.customers"]
        assert (finished["sync_run_id"], finished["outcome"]) == (run.sync_run_id, "completed")

    def test_the_jobs_of_a_killed_worker_are_done_by_another_within_a_minute(
        self, killed_beside_another
    ):
        stage = killed_beside_another
        stage.wait_for(
            "job.rescued", task="evaluate_dbt_run", dbt_run_id=RUN, seconds=TAKEN_OVER_WITHIN
        )
        stage.wait_for("dbt_run.planned")
        # The row's own time: how long this test has been looking elsewhere does not count.
        ((planned_at,),) = stage.sql("SELECT extract(epoch FROM planned_at) FROM relay.dbt_runs")
        assert float(planned_at) - stage.killed_at < TAKEN_OVER_WITHIN
        stage.wait_until(
            lambda: len(stage.logged("sync_run.finished", outcome="completed")) == 4, "the ends"
        )
        assert len(stage.census.sync_runs) == 4

    def test_a_killed_worker_is_noticed_by_one_whose_slots_all_hang(self, killed_beside_a_busy_one):
        """The job may then wait up to 30 of the promised 60 seconds for a slot."""
        stage = killed_beside_a_busy_one
        rescued = stage.wait_for("job.rescued", dbt_run_id=RUN, seconds=TAKEN_OVER_WITHIN)
        noticed_at = datetime.fromisoformat(rescued["timestamp"]).timestamp()
        assert noticed_at - stage.killed_at < TAKEN_OVER_WITHIN / 2

    def test_a_database_killed_under_a_worker_costs_nothing_and_doubles_nothing(
        self, database_killed
    ):
        stage = database_killed
        stage.wait_until(
            lambda: (
                stage.sql(
                    "SELECT count(*) FROM relay.triggers JOIN relay.sync_runs USING (attempt_id)"
                    " WHERE outcome = 'completed'"
                )
                == [(8,)]
            ),
            "a completed sync run for each of two dbt runs' triggers",
            seconds=TAKEN_OVER_WITHIN,
        )
        recorded = stage.sql("SELECT sync_run_id FROM relay.sync_runs ORDER BY 1")
        assert recorded == [(run.sync_run_id,) for run in stage.census.sync_runs]
        assert {stage.census.status(run) for run in stage.census.sync_runs} == {"completed"}
        output = [line["sync_run_id"] for line in stage.logged("sync.triggered")]
        assert len(output) == len(set(output))
        (worker,) = stage.processes
        assert not worker.logged("worker.stopped")

    def test_a_database_that_took_no_writes_for_a_while_costs_nothing_either(self, failed_over):
        stage = failed_over
        ended = (
            "SELECT count(*) FROM relay.triggers JOIN relay.sync_runs USING (attempt_id)"
            " WHERE outcome = 'completed'"
        )
        stage.wait_until(
            lambda: stage.sql(ended) == [(4,)], "four sync runs", seconds=TAKEN_OVER_WITHIN
        )
        assert len(stage.census.sync_runs) == 4
        (worker,) = stage.processes
        assert not worker.logged("worker.stopped")


@pytest.mark.storm
@pytest.mark.timeout(180)
def test_a_worker_that_was_only_suspended_doubles_nothing(stage):
    """Another worker takes over its jobs; then it continues."""
    stage.server.join()
    stage.use_external_database()
    stage.map(ONE_SYNC)
    stage.census.fail_next("/trigger", Delay(2))
    suspended = stage.worker()
    stage.record()
    until_asked(stage, stage.census, "/trigger")
    os.kill(suspended.pid, signal.SIGSTOP)
    other = stage.worker()
    stage.wait_until(lambda: other.logged("job.rescued"), "a rescue", seconds=TAKEN_OVER_WITHIN)
    time.sleep(5)  # for the other one to wake up and look
    os.kill(suspended.pid, signal.SIGCONT)
    stage.wait_for("sync_run.finished", seconds=TAKEN_OVER_WITHIN)
    (run,) = stage.census.sync_runs
    assert stage.sql("SELECT sync_run_id FROM relay.sync_runs") == [(run.sync_run_id,)]
    stage.server.leave()


class TestToldToStop:
    def test_a_worker_ends_the_call_it_is_in_and_records_it(self, stage):
        stage.map(ONE_SYNC)
        stage.census.fail_next("/trigger", Delay(1.5))
        worker = stage.worker(RELAY_HTTP_TIMEOUT="20s")
        stage.server.join()  # so that the database is still there to be asked
        stage.record()
        until_asked(stage, stage.census, "/trigger")
        worker.terminate()
        assert worker.wait(STOPPED_WITHIN) == 0
        (run,) = stage.census.sync_runs
        assert worker.logged("sync.triggered", sync_run_id=run.sync_run_id)
        assert [line["event"] for line in worker.lines][-1] == "worker.stopped"
        assert stage.sql("SELECT sync_run_id FROM relay.sync_runs") == [(run.sync_run_id,)]
        stage.server.leave()

    def test_a_worker_with_nothing_to_do_ends_at_once_and_takes_the_database_along(self, stage):
        worker = stage.worker()
        began = time.monotonic()
        worker.terminate()
        assert worker.wait() == 0
        assert time.monotonic() - began < 5
        assert [line["event"] for line in worker.lines][-1] == "database.stopped"


def test_a_channel_that_cannot_be_used_keeps_no_sync_from_running(new_stage):
    with new_stage() as stage:
        stage.map(ONE_SYNC + "notify:\n  ops: {kind: slack, url_env: RELAY_NOTIFY_OPS}\n")
        stage.worker(RELAY_HEARTBEAT_URL="http://127.0.0.1:1/s3cr3t-of-a-heartbeat")
        unusable = stage.wait_for("notify.not_usable")
        assert unusable["problems"] == ["RELAY_NOTIFY_OPS: is not set, and channel ops needs it"]
        stage.record()
        stage.wait_for("sync.triggered", sync_id=5123)
        failed = stage.wait_for("heartbeat.failed")
        assert "no connection to 127.0.0.1:1" in failed["problem"]
        assert len(stage.logged("notify.not_usable")) == 1
        assert "s3cr3t" not in "".join(process.output for process in stage.processes)
