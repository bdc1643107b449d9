"""A hold outlives every kill, and what has waited becomes exactly one sync run."""

import pytest

from crash.stage import ONE_SYNC, kill_server
from relay.postgres.connections import single_connection
from relay.sandbox import story
from relay.store import HoldScope, Store

RUNS = range(story.FIRST_DBT_RUN_ID, story.FIRST_DBT_RUN_ID + 4)
SCOPE = HoldScope("default", 5123)
DECIDED = "SELECT count(*) FROM relay.triggers WHERE attempt_id IS NULL"


def command(stage, *words):
    """Run a command to its end; what it prints are no log lines."""
    process = stage.command(*words)
    assert process.wait() == 0, process.output
    stage.processes.remove(process)
    return process


def decide(stage, *dbt_run_ids):
    for dbt_run_id in dbt_run_ids:
        stage.record(dbt_run_id)
    stage.wait_until(lambda: held_runs(stage) >= {*dbt_run_ids}, "held lines of all")


def held_runs(stage):
    return {run for line in stage.logged("sync.held") for run in line["dbt_run_ids"]}


@pytest.fixture(name="external")
def _external(stage):
    """An external server, which a kill of relay's processes does not stop."""
    stage.server.join()
    stage.use_external_database()
    stage.map(ONE_SYNC)
    yield stage
    stage.server.leave()


def became_one_sync_run(stage):
    finished = stage.wait_for("sync_run.finished")
    (triggered,) = stage.logged("sync.triggered")
    assert sorted(triggered["dbt_run_ids"]) == list(RUNS)
    (run,) = stage.census.sync_runs
    assert (run.sync_run_id, finished["outcome"]) == (triggered["sync_run_id"], "completed")
    assert len(stage.census.requests_to("/trigger")) == 1


@pytest.mark.parametrize("killed", ["worker", "database"])
def test_what_waits_while_the_worker_or_the_database_is_killed(external, killed):
    worker = external.worker()
    command(external, "hold", "5123", "--why", "audit", "--by", "ana")
    decide(external, *RUNS[:2])
    if killed == "worker":
        worker.kill()
        external.worker()
    else:
        kill_server(external.data_dir)
        external.server.ensure_running()
    decide(external, *RUNS[2:])
    assert external.census.requests_to("/trigger") == []
    assert external.sql(DECIDED) == [(len(RUNS),)]
    command(external, "release", "5123", "--by", "bo")
    assert external.wait_for("sync.released")["triggers"] == len(RUNS)
    became_one_sync_run(external)


def test_a_hold_whose_time_is_up_while_no_worker_runs_ends_at_the_next_start(external):
    worker = external.worker()
    command(external, "hold", "--all", "--for", "4h", "--by", "ana")
    decide(external, *RUNS)
    worker.kill()
    external.sql("UPDATE relay.holds SET until = now()")
    external.sql("UPDATE procrastinate_jobs SET scheduled_at = now() WHERE task_name = 'end_hold'")
    external.worker()
    assert external.wait_for("sync.released")["by"] is None
    became_one_sync_run(external)


def test_a_release_while_no_worker_runs_counts_when_one_does(external):
    worker = external.worker()
    command(external, "hold", "5123", "--by", "ana")
    decide(external, *RUNS)
    worker.kill()
    with single_connection(external.server) as connections:
        (hold,) = Store(connections).holds.open(now=worker_time(external))
        assert hold.scope == SCOPE
    released = command(external, "release", "5123", "--by", "bo")
    assert "sync 5123: released; " in released.stdout
    external.worker()
    became_one_sync_run(external)


def worker_time(stage):
    return stage.sql("SELECT now()")[0][0]


def test_a_dry_run_sends_nothing_even_what_a_killed_worker_has_left(external):
    worker = external.worker()
    command(external, "hold", "5123", "--by", "ana")
    decide(external, *RUNS)
    worker.kill()
    command(external, "release", "5123", "--by", "bo")
    external.worker(RELAY_DRY_RUN="true")
    would = external.wait_for("sync.would_trigger")
    assert (sorted(would["dbt_run_ids"]), would["dry_run"]) == (list(RUNS), True)
    assert external.census.sync_runs == []
