"""An upgrade and a way back under load: both versions work on one database, side by side.

The previous version is a file: a clone without history has no other. It is what its wheel holds,
without the simulators, and runs with the dependencies of this one:
`git archive 8969f42 relay ':(exclude)relay/sandbox' | xz -9e > relay-0.1.0.tar.xz`.
"""

import hashlib
import subprocess
import sys
import tarfile
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from freshness_oracle import expected_states, stored_states
from mappings import mapping_text

from crash.stage import CHECKOUT, WEB, WORKER
from crash.storm import (
    Count,
    Deliverer,
    Kept,
    Night,
    all_about,
    clear_faults,
    is_quiet,
    wait_for_quiet,
)
from relay.postgres.connections import single_connection
from relay.sandbox.wire import Delay
from relay.store import HoldScope, Store

VERSION, COMMIT = "0.1.0", "8969f42"
ARCHIVE = Path(__file__).parent / "previous" / f"relay-{VERSION}.tar.xz"
RUNS_A_STEP = 12
STEPS = 7
SEED = 1
QUIET_AFTER = 60.0  # seconds
HOLD_OF_ALL = HoldScope(None, None)

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(name="previous", scope="module")
def _previous(tmp_path_factory):
    """A folder for PYTHONPATH that holds the previous version, as pip would have installed it."""
    folder = tmp_path_factory.mktemp("previous")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    metadata = folder / f"relay-{VERSION}.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: relay\nVersion: {VERSION}\n")
    return folder


class Releases:
    """Processes of both versions on a stage, and the webs that get deliveries."""

    def __init__(self, stage, previous):
        self._stage = stage
        self._running = {}
        self.webs = []
        # Not the checkout's folder, in which `-m` and gunicorn would find this version.
        self.old_python = (sys.executable, "-P", "-m")
        self.old_path = {"PYTHONPATH": str(previous)}

    def start_old(self, name):
        worker = (*self.old_python, "relay", "worker")
        web = (*self.old_python, "relay.web", "-c", "python:relay.web.gunicorn_conf")
        self._start(name, worker, web, **self.old_path)

    def start_new(self, name):
        self._start(name, WORKER, WEB)

    def stop(self, name):
        """As a rollout does: no more deliveries, then SIGTERM."""
        worker, web = self._running.pop(name)
        self.webs.remove(web)
        for each in (worker, web.process):
            each.terminate()
        for each in (worker, web.process):
            assert each.wait() == 0, each.output

    def _start(self, name, worker, web, **settings):
        started = self._stage.start(f"{name} worker", *worker, **settings)
        self._stage.wait_until(lambda: started.logged("worker.started"), f"{name} worker")
        process = self._stage.start(f"{name} web", *web, **settings)
        self._stage.wait_until(lambda: process.answers("/readyz"), f"{name} web")
        kept = Kept(self._stage, name, web, process)
        self._running[name] = (started, kept)
        self.webs.append(kept)


class Part(Night):
    """Some of the dbt runs of a night."""

    def __init__(self, numbers):
        self.numbers = numbers


class Load:
    """A night whose dbt runs end step by step, so that some do during each change."""

    def __init__(self, stage, webs):
        self._stage, self._webs = stage, webs
        self.night = Night(RUNS_A_STEP * STEPS)
        self.night.set_up(stage, SEED)
        clear_faults(stage)
        stage.census.fail_at_random(0.3, [Delay(0.5)], seed=SEED)  # some POSTs are under way
        stage.map(mapping_text(*self.night.entries(at_most_every="1s")))
        self.acknowledged = {}
        self._left = list(self.night.numbers)

    def during(self, *changes):
        """Make changes while the next dbt runs end; wait until these are acknowledged."""
        numbers, self._left = self._left[:RUNS_A_STEP], self._left[RUNS_A_STEP:]
        with Deliverer(self._stage, Part(numbers), self._webs) as deliverer:
            for change in changes:
                change()
            self._stage.wait_until(lambda: deliverer.is_done, "the deliveries")
            deliverer.raise_what_failed()
        self.acknowledged |= deliverer.acknowledged

    def count(self):
        assert self._left == []
        over = SimpleNamespace(last=datetime.now(UTC))
        return Count.after(self._stage, self.night, self, over)


@pytest.fixture(name="releases")
def _releases(empty_stage, previous):
    empty_stage.server.join()
    empty_stage.use_external_database()
    yield Releases(empty_stage, previous)
    empty_stage.server.leave()


@pytest.fixture(name="new")
def _new(empty_stage):
    """Run a command of this version; its output."""
    return lambda *words: finished(empty_stage, sys.executable, "-m", "relay", *words)


@pytest.fixture(name="old")
def _old(empty_stage, releases):
    """Run a command of the previous version; its output."""
    return lambda *words: finished(
        empty_stage, *releases.old_python, "relay", *words, **releases.old_path
    )


def finished(stage, *command, **settings):
    process = stage.start("command", *command, **settings)
    assert process.wait() == 0, process.output
    stage.processes.remove(process)  # the others log lines of JSON
    return process.stdout


def hold_for_a_moment(stage):
    now = datetime.now(UTC)
    with single_connection(stage.server) as connections:
        holds = Store(connections).holds
        holds.hold(HOLD_OF_ALL, until=now, why="an upgrade", by="ana@ops", now=now)


def test_both_versions_side_by_side_forward_back_and_forward_lose_and_double_nothing(
    empty_stage, releases, old, new
):
    stage = empty_stage
    load = Load(stage, releases.webs)
    releases.start_old("old")
    assert old("--version").split()[-1] == VERSION
    load.during()
    load.during(lambda: new("migrate"))
    load.during(lambda: releases.start_new("new"))
    load.during(lambda: releases.stop("old"))
    # Back again: the previous version starts on the new schema, and does all the work alone.
    load.during(lambda: releases.start_old("old again"))
    load.during(
        lambda: releases.stop("new"), lambda: old("status"), lambda: hold_for_a_moment(stage)
    )
    stage.wait_until(lambda: is_quiet(stage), "the previous version to finish")
    load.during(lambda: releases.start_new("new again"), lambda: releases.stop("old again"))
    wait_for_quiet(stage, QUIET_AFTER)

    count = load.count()
    assert count.wrong == set(), all_about(stage, count.wrong)
    assert stage.sql("SELECT task_name FROM procrastinate_jobs WHERE status = 'failed'") == []
    assert [line for each in stage.processes for line in each.lines if is_a_fault(line)] == []
    workers = [each for each in stage.processes if each.name.endswith("worker")]
    assert [each.name for each in workers if not each.logged("sync.triggered")] == []

    # What a worker does every hour: the previous version keeps no freshness.
    stage.start("rebuild", sys.executable, "-m", "relay", "freshness", "--rebuild").wait()
    assert "is as its decisions" in new("freshness", "--rebuild")
    assert without_lag(stored_states(stage.sql)) == without_lag(expected_states(stage.sql))


def is_a_fault(line):
    return line["level"] == "error" or line["event"] == "task.failed"


def without_lag(states):
    """The states; the previous version does not compute the lag of the sync runs that it ends."""
    return {key: {**state, "lag": None} for key, state in states.items()}


def test_the_archive_of_the_previous_version_is_what_the_commit_has(previous):
    listed = subprocess.run(
        ["git", "ls-tree", "-r", COMMIT, "relay"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("this clone has no history")
    lines = (line.split(maxsplit=3) for line in listed.stdout.splitlines())
    blobs = {path: blob for _, _, blob, path in lines if not path.startswith("relay/sandbox/")}
    files = (path for path in (previous / "relay").rglob("*") if path.is_file())
    unpacked = {str(path.relative_to(previous)): blob_of(path.read_bytes()) for path in files}
    unpacked = {path: blob for path, blob in unpacked.items() if "__pycache__" not in path}
    assert unpacked == blobs


def blob_of(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
