"""Restarts, failovers, deploys and a full disk, while web and workers are running."""

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
TAKEN_UP_WITHIN = 12.0  # seconds; it takes 5 on an idle machine
ROOM = 160  # MB for relay's own PostgreSQL on a disk of its own


def deliver(stage, web, dbt_run_id):
    """Deliver repeatedly until it is acknowledged, as dbt Cloud does."""
    body = stage.event(dbt_run_id)

    def is_acknowledged():
        with contextlib.suppress(requests.RequestException):
            return web.post(body).status_code == 202
        return False

    stage.wait_until(is_acknowledged, f"a 202 for dbt run {dbt_run_id}")


def an_ignored_event():
    """An event of the usual size that is ignored."""
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


@pytest.fixture(name="external")
def _external(stage):
    """An external server, with web and a worker."""
    stage.server.join()
    stage.use_external_database()
    stage.map(ONE_SYNC)
    yield stage
    stage.server.leave()


def test_one_that_is_restarted_costs_nothing(external):
    web, _ = external.web(), external.worker()
    for number, dbt_run_id in enumerate(RUNS):
        if number in (4, 8):
            external.server.leave()
            external.server.join()
        deliver(external, web, dbt_run_id)
    all_runs_are_served_once(external)


def test_what_was_under_way_is_taken_up_soon_after_a_restart(external):
    """By the same worker, which knows the jobs whose end it could not record."""
    external.worker()
    for dbt_run_id in MANY_RUNS:
        external.record(dbt_run_id)
    external.wait_until(lambda: external.sql(PLANNED)[0][0] > 20, "a worker amid its work")
    external.server.leave()
    time.sleep(DOWN_FOR)
    external.server.join()
    back_at = time.time()
    external.wait_until(
        lambda: external.sql(PLANNED) == [(len(MANY_RUNS),)], "all runs to be planned"
    )
    assert time.time() - back_at < TAKEN_UP_WITHIN


def test_one_that_cuts_all_connections_again_and_again_costs_nothing(external):
    """As in a failover: idle connections are broken too."""
    web, _ = external.web(), external.worker()
    for dbt_run_id in RUNS:
        external.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        deliver(external, web, dbt_run_id)
    all_runs_are_served_once(external)


def test_a_deploy_in_the_middle_of_the_work_costs_nothing(external):
    """Web and both workers are replaced one by one, and stopped as by a platform."""
    external.census.fail_next("/trigger", Delay(0.3), times=100)
    web, workers = external.web(), [external.worker(), external.worker()]
    for number, dbt_run_id in enumerate(RUNS):
        deliver(external, web, dbt_run_id)
        if number in (3, 6):
            old = workers.pop(0)
            old.terminate()
            workers.append(external.worker())
        if number == 5:
            old, web = web, external.web()
            old.terminate()
    all_runs_are_served_once(external)
    assert external.logged("worker.stopped", drained=False) == []


@pytest.fixture(name="small_disk")
def _small_disk(empty_stage):
    """A stage whose data folder is on a small disk."""
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
    # Deliveries of the usual size fill the rest of the disk.
    stage.wait_until(lambda: up.post(an_ignored_event()).status_code == 503, "a 503 for it too")
    stage.wait_until(lambda: not up.answers("/readyz"), "web not to be ready")
    checks = requests.get(f"{up.url}/readyz", timeout=5).json()["checks"]
    assert "cannot be stored" in checks["database"]
    ballast.unlink()
    for dbt_run_id in others:
        deliver(stage, up, dbt_run_id)
    all_runs_are_served_once(stage)
