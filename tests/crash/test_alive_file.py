"""A worker's alive file: young while the worker works, whatever its database does."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from crash.stage import CHECKOUT, kill_server, resume_server, suspend_server

PROBE = 'test -n "$(find "$0" -mmin -1)"'
ROUND = 1.0  # seconds: one that began before does not count


def changed_at(file):
    return file.stat().st_mtime


def is_touched_again(stage, file):
    began = time.time()
    return stage.wait_until(lambda: changed_at(file) > began + ROUND, "a touch")


def is_alive(file):
    """What the probe of the documents says."""
    probed = subprocess.run(["sh", "-c", PROBE, file], capture_output=True, check=False)
    return probed.returncode == 0


@pytest.fixture(name="file")
def _file(tmp_path):
    return tmp_path / "relay-worker"


def test_it_is_touched_as_long_as_the_worker_works(stage, file):
    worker = stage.worker(RELAY_WORKER_ALIVE_FILE=str(file))
    assert is_touched_again(stage, file)
    assert file.stat().st_mode & 0o777 == 0o644
    assert is_alive(file)
    os.kill(worker.pid, signal.SIGSTOP)
    time.sleep(0.1)  # for what the kernel is doing for it
    stopped_at = changed_at(file)
    time.sleep(2)  # two rounds
    assert changed_at(file) == stopped_at
    os.kill(worker.pid, signal.SIGCONT)
    assert is_touched_again(stage, file)


def test_it_is_touched_while_the_database_is_gone(stage, file):
    """A restart of the worker would not bring the database back."""
    stage.server.join()
    stage.use_external_database()
    stage.worker(RELAY_WORKER_ALIVE_FILE=str(file))
    kill_server(stage.data_dir)
    assert is_touched_again(stage, file)


def test_it_is_touched_while_the_database_does_not_answer(stage, file):
    impatient = (
        "from relay.worker.watch import WatchConnection; WatchConnection.query_timeout = 0.5;"
        " import relay.cli; relay.cli.main(['worker'])"
    )
    stage.server.join()
    stage.use_external_database()
    command = (sys.executable, "-P", "-c", impatient)
    worker = stage.start("worker", *command, RELAY_WORKER_ALIVE_FILE=str(file))
    stage.wait_until(lambda: worker.logged("worker.started"), "a worker")
    suspend_server(stage.data_dir)
    assert is_touched_again(stage, file)
    resume_server(stage.data_dir)


def test_the_worker_of_up_touches_it_too(stage, file):
    stage.up(RELAY_WORKER_ALIVE_FILE=str(file))
    assert is_touched_again(stage, file)


def test_the_documented_probe_refuses_an_old_file_and_an_absent_one(file):
    assert not is_alive(file)
    file.touch()
    assert is_alive(file)
    aged = time.time() - 61
    os.utime(file, (aged, aged))
    assert not is_alive(file)
    assert PROBE.replace('"$0"', "/tmp/relay-worker") in (CHECKOUT / "docs/deploy.md").read_text()


def link(file):
    file.symlink_to(file.with_name("elsewhere"))


def folder(file):
    file.mkdir()


@pytest.mark.parametrize("obstacle", [link, folder, os.mkfifo], ids=lambda each: each.__name__)
def test_a_file_that_cannot_be_written_is_a_wrong_setting(stage, file, obstacle):
    obstacle(file)
    worker = stage.start(
        "worker", sys.executable, "-m", "relay", "worker", RELAY_WORKER_ALIVE_FILE=str(file)
    )
    assert worker.wait() == 2
    assert worker.stderr.startswith(
        f"Error: invalid settings: RELAY_WORKER_ALIVE_FILE: {file} cannot be written: "
    )
    assert not Path(f"{file.parent}/elsewhere").exists()


def test_a_worker_that_can_no_longer_write_it_says_so_and_ends(stage, file):
    worker = stage.worker(RELAY_WORKER_ALIVE_FILE=str(file))
    file.unlink()
    link(file)
    assert worker.wait() == 2
    assert "RELAY_WORKER_ALIVE_FILE: " in worker.stderr
    assert "Traceback" not in worker.output
