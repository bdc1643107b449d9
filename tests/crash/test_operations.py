"""What is restarted, fails over, is replaced or has no room left, under web and workers at work."""

import contextlib
import os
import subprocess
import time

import pytest
import requests

from crash.stage import ONE_SYNC
from relay.sandbox import story
from relay.sandbox.wire import Delay

RUN = story.FIRST_DBT_RUN_ID
RUNS = range(RUN, RUN + 12)
MANY_RUNS = range(RUN, RUN + 60)
PLANNED = "SELECT count(*) FROM relay.dbt_runs WHERE planned_at IS NOT NULL"
DOWN_FOR = 2.0  # seconds
TAKEN_UP_WITHIN = 12.0  # seconds; it takes 5, and the machine may be busy
ROOM = 160  # MB for relay's own PostgreSQL on a disk of its own


def deliver(stage, web, dbt_run_id):
    """As dbt Cloud does: again, until it is acknowledged."""
    body = stage.event(dbt_run_id)

    def is_acknowledged():
        with contextlib.suppress(requests.RequestException):
            return web.post(body).status_code == 202
        return False

    stage.wait_until(is_acknowledged, f"a 202 for dbt run {dbt_run_id}")


def an_ignored_event():
    """An event of the usual size that no run follows from."""
    return b'{"eventType": "job.run.started", "padding": "%s"}' % os.urandom(400).hex().encode()


def all_runs_are_served_once(stage):
    stage.wait_until(
        lambda: (
            stage.sql(
                "SELECT count(*) FROM relay.triggers JOIN relay.sync_runs USING (attempt_id)"
                " WHERE outcome = 'completed'"
            )
            == [(len(RUNS),)]
        ),
        "a completed sync run for each dbt run",
        seconds=60,
    )
    recorded = stage.sql("SELECT sync_run_id FROM relay.sync_runs ORDER BY 1")
    assert recorded == [(run.sync_run_id,) for run in stage.census.sync_runs]


@pytest.fixture(name="named")
def _named(stage):
    """A server that relay neither starts nor stops, with web and a worker on it."""
    stage.server.join()
    stage.name_the_database()
    stage.map(ONE_SYNC)
    yield stage
    stage.server.leave()


def test_one_that_is_restarted_costs_nothing(named):
    web, _ = named.web(), named.worker()
    for number, dbt_run_id in enumerate(RUNS):
        if number in (4, 8):
            named.server.leave()
            named.server.join()
        deliver(named, web, dbt_run_id)
    all_runs_are_served_once(named)


def test_what_was_under_way_is_taken_up_soon_after_a_restart(named):
    """By the same worker: it knows which of its jobs ended unrecorded."""
    named.worker()
    for dbt_run_id in MANY_RUNS:
        named.record(dbt_run_id)
    named.wait_until(lambda: named.sql(PLANNED)[0][0] > 20, "a worker amid its work")
    named.server.leave()
    time.sleep(DOWN_FOR)
    named.server.join()
    back_at = time.time()
    named.wait_until(lambda: named.sql(PLANNED) == [(len(MANY_RUNS),)], "all runs to be planned")
    assert time.time() - back_at < TAKEN_UP_WITHIN


def test_one_that_cuts_all_connections_again_and_again_costs_nothing(named):
    """What a failover looks like from here: an idle connection too is gone when it is used."""
    web, _ = named.web(), named.worker()
    for dbt_run_id in RUNS:
        named.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        deliver(named, web, dbt_run_id)
    all_runs_are_served_once(named)


def test_a_deploy_in_the_middle_of_the_work_costs_nothing(named):
    """Web and both workers are replaced one by one, told to stop as a platform does."""
    named.census.fail_next("/trigger", Delay(0.3), times=100)
    web, workers = named.web(), [named.worker(), named.worker()]
    for number, dbt_run_id in enumerate(RUNS):
        deliver(named, web, dbt_run_id)
        if number in (3, 6):
            old = workers.pop(0)
            old.terminate()
            workers.append(named.worker())
        if number == 5:
            old, web = web, named.web()
            old.terminate()
    all_runs_are_served_once(named)
    assert named.logged("worker.stopped", drained=False) == []


@pytest.fixture(name="small_disk")
def _small_disk(empty_stage):
    """A stage whose data folder has a small disk of its own."""
    empty_stage.data_dir.mkdir()
    mount = ("mount", "-t", "tmpfs", "-o", f"size={ROOM}m", "tmpfs", empty_stage.data_dir)
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root may mount a disk, and not in every container")
    yield empty_stage
    empty_stage.close()
    subprocess.run(("umount", "--lazy", empty_stage.data_dir), check=True)


def test_a_full_disk_is_a_503_and_all_goes_on_when_there_is_room(small_disk):
    stage = small_disk
    stage.map(ONE_SYNC)
    up = stage.up()
    first, *others = RUNS
    deliver(stage, up, first)
    stage.wait_for("sync_run.finished")
    ballast = stage.data_dir / "ballast"
    with ballast.open("wb") as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(2**16))
            file.flush()
    large = (
        stage.event(others[0])[:-1] + b', "padding": "' + os.urandom(300_000).hex().encode() + b'"}'
    )
    stage.wait_until(lambda: up.post(large).status_code == 503, "a 503")
    # What little room the tables have left is used up by deliveries of the usual size.
    stage.wait_until(lambda: up.post(an_ignored_event()).status_code == 503, "a 503 for it too")
    stage.wait_until(lambda: not up.answers("/readyz"), "web not to be ready")
    checks = requests.get(f"{up.url}/readyz", timeout=5).json()["checks"]
    assert "cannot be stored" in checks["database"]
    ballast.unlink()
    for dbt_run_id in others:
        deliver(stage, up, dbt_run_id)
    all_runs_are_served_once(stage)
