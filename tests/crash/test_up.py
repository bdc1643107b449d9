"""`relay up` and the commands as processes: what they restart, and how they end."""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time

import psutil
import pytest
from own_server import servers_in, the_server_in

from crash.stage import (
    CHECKOUT,
    UP,
    WEB,
    WORKER,
    lives,
    postmaster,
    resume_server,
    suspend_server,
)
from relay.postgres.migrations import HEAD
from relay.sandbox import story

RUN = story.FIRST_DBT_RUN_ID
AS_PROCESS_1 = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
PROCESSES = {"relay up": UP, "relay worker": WORKER, "web": WEB}


def may_make_a_process_1():
    tried = subprocess.run([*AS_PROCESS_1, "true"], capture_output=True, check=False)
    return tried.returncode == 0


needs_process_1 = pytest.mark.skipif(
    shutil.which("unshare") is None or not may_make_a_process_1(),
    reason="a process 1 takes Linux, and the right to make a namespace",
)


def child(up, word):
    """The child process of `up` whose command contains this word; None if there is none."""
    for process in psutil.Process(up.pid).children():
        try:
            if word in process.cmdline():
                return process
        except psutil.Error:
            continue
    return None


def everything(stage, up):
    """All processes of `up`, with those of the database server."""
    server = postmaster(stage.data_dir)
    return [*up.family(), server, *server.children(recursive=True)]


def living(processes):
    return [process for process in processes if lives(process)]


class TestUp:
    def test_a_child_that_dies_is_started_again(self, stage):
        up = stage.up()
        worker, web = child(up, "worker"), child(up, "relay.web")
        worker.kill()
        web.kill()
        for name in ("worker", "web"):
            died = stage.wait_for("process.died", process=name)
            assert died["exit_status"] == -signal.SIGKILL
        stage.wait_until(lambda: child(up, "worker") and child(up, "relay.web"), "new children")
        assert {worker.pid, web.pid}.isdisjoint(each.pid for each in up.family())
        stage.wait_until(lambda: up.answers("/healthz"), "web to answer again")
        assert up.post(stage.event()).status_code == 202
        stage.wait_until(lambda: len(stage.logged("sync.triggered", dbt_run_id=RUN)) == 4, "syncs")

    def test_a_supervisor_told_to_stop_ends_all_and_leaves_nothing(self, stage):
        up = stage.up()
        started = everything(stage, up)
        assert len(started) > 4
        up.terminate()
        assert up.wait() == 0
        assert living(started) == []
        assert [line["event"] for line in up.lines][-1] == "database.stopped"
        assert up.stderr == ""

    def test_a_supervisor_that_is_killed_takes_all_with_it(self, stage):
        up = stage.up()
        started = everything(stage, up)
        up.kill_alone()
        stage.wait_until(lambda: not living(started), "all to end")
        # The kernel signalled them; they ended in order, and the last one stopped the database.
        assert stage.logged("worker.stopped")
        assert stage.logged("database.stopped")

    @pytest.mark.parametrize("blocked", ["SIGCHLD", "SIGTERM"])
    def test_it_restarts_what_ends_whatever_signal_its_own_parent_had_blocked(self, stage, blocked):
        blocking = (
            "import os, signal, sys;"
            f"signal.pthread_sigmask(signal.SIG_BLOCK, [signal.{blocked}]);"
            "os.execv(sys.argv[1], sys.argv[1:])"
        )
        up = stage.start("up", sys.executable, "-c", blocking, *UP)
        stage.wait_until(lambda: up.answers("/readyz"), "`relay up` to be ready")
        child(up, "worker").terminate()
        assert stage.wait_for("process.died")["exit_status"] == 0
        stage.wait_until(lambda: len(stage.logged("worker.started")) == 2, "a new worker")
        up.terminate()
        assert up.wait() == 0

    def test_it_stops_the_database_though_a_setting_can_no_longer_be_read(self, stage, tmp_path):
        key = tmp_path / "key"
        key.write_text(stage.hand_over("CENSUS_API_KEY"))
        up = stage.up(CENSUS_API_KEY_FILE=str(key))
        key.unlink()
        up.terminate()
        assert up.wait() == 0
        assert up.stderr == ""
        assert postmaster(stage.data_dir) is None

    def test_what_does_not_end_in_time_is_killed_with_its_children_and_nothing_is_left(self, stage):
        supervise = "import relay.supervisor as it; it.DRAIN_SECONDS = 1; it.main()"
        impatient = (
            "import relay.up, relay.cli;"
            f"relay.up.SUPERVISOR = ({sys.executable!r}, '-c', {supervise!r});"
            "relay.cli.main(['up'])"
        )
        up = stage.start("up", sys.executable, "-c", impatient)
        stage.wait_until(lambda: up.answers("/readyz"), "`relay up` to be ready")
        started = everything(stage, up)
        child(up, "relay.web").suspend()
        up.terminate()
        assert up.wait() == 0
        assert living(started) == []
        assert stage.logged("process.killed", process="web")
        assert [line["event"] for line in up.lines][-1] == "database.stopped"

    def test_it_starts_for_the_first_time_whatever_libpq_and_libc_would_read(self, empty_stage):
        nonsense = dict.fromkeys(
            ("PGSERVICE", "PGHOSTADDR", "PGOPTIONS", "PGDATABASE", "PGREQUIREAUTH", "PGDATA"), "no"
        )
        up = empty_stage.up(**nonsense, PGPORT="1", LANG="en_US.UTF-8", LC_ALL="nonsense")
        assert up.post(empty_stage.event()).status_code == 202


class TestTheImagesHealthCheck:
    """tests/test_image.py has the rest; here its check of web meets a real one."""

    HEALTHCHECK = CHECKOUT / "deploy" / "image" / "healthcheck.py"

    def is_healthy(self, web):
        script = "import runpy, sys; sys.exit(runpy.run_path(sys.argv[1])['web_problem']())"
        asked = subprocess.run(
            [sys.executable, "-I", "-S", "-c", script, self.HEALTHCHECK],
            env={"PORT": web.port, "http_proxy": "http://127.0.0.1:1"},
            capture_output=True,
            check=False,
        )
        return asked.returncode == 0

    def test_sees_a_database_that_is_gone_and_no_more_than_that(self, stage):
        web = stage.web()
        assert not web.answers("/readyz")  # there is no worker
        assert self.is_healthy(web)
        suspend_server(stage.data_dir)
        stage.wait_until(lambda: not self.is_healthy(web), "the check to fail")
        resume_server(stage.data_dir)
        stage.wait_until(lambda: self.is_healthy(web), "the check to pass again")
        web.kill()
        assert not self.is_healthy(web)


@needs_process_1
class TestAsProcess1:
    @pytest.fixture(name="up")
    def _up(self, stage):
        up = stage.start("up", *AS_PROCESS_1, *UP)
        stage.wait_until(lambda: up.answers("/readyz"), "`relay up` to be ready")
        return up

    def test_a_killed_server_is_back_within_five_seconds_and_no_zombie_stays(self, stage, up):
        (first,) = psutil.Process(up.pid).children()
        server = the_server_in(stage.data_dir)
        assert server.parent() == first
        server.kill()
        began = time.monotonic()
        stage.wait_until(lambda: servers_in(stage.data_dir) not in ([], [server]), "a server")
        assert time.monotonic() - began < 5
        stage.wait_until(lambda: up.answers("/readyz"), "`relay up` to be ready")
        stage.wait_until(lambda: not zombies_below(first), "the dead to be reaped")
        # /readyz is asked for once in two seconds: that may have been before the kill.
        event = stage.event()
        stage.wait_until(lambda: up.post(event).status_code == 202, "a delivery to be stored")

    def test_a_child_that_dies_is_started_again(self, stage, up):
        (first,) = psutil.Process(up.pid).children()
        (worker,) = (each for each in first.children() if "worker" in each.cmdline())
        worker.kill()
        assert stage.wait_for("process.died")["exit_status"] == -signal.SIGKILL
        stage.wait_until(lambda: len(stage.logged("worker.started")) == 2, "a new worker")

    def test_told_to_stop_it_ends_all(self, stage, up):
        (first,) = psutil.Process(up.pid).children()
        first.terminate()
        assert up.wait() == 0
        assert [line["event"] for line in up.lines][-1] == "database.stopped"


def zombies_below(process):
    with contextlib.suppress(psutil.NoSuchProcess):
        return [each for each in process.children(recursive=True) if not lives(each)]
    return []


class TestToldToStopWhileItStarts:
    @pytest.fixture(name="starting_elsewhere")
    def _starting_elsewhere(self, stage):
        """Another process hangs while it starts the database: every other process waits for it."""
        with (stage.data_dir / "lock").open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield lock

    def ends_soon(self, stage, process, output, lock):
        stage.wait_until(lambda: waits_for(output, lock.name), "it to wait")
        output.terminate()
        assert process.wait(seconds=10) == 0  # the wait for the database is one of 30

    @pytest.mark.parametrize("command", PROCESSES.values(), ids=PROCESSES)
    def test_it_does_at_once(self, stage, starting_elsewhere, command):
        process = stage.start("starting", *command)
        self.ends_soon(stage, process, psutil.Process(process.pid), starting_elsewhere)

    @needs_process_1
    @pytest.mark.parametrize("command", PROCESSES.values(), ids=PROCESSES)
    def test_it_does_at_once_as_process_1(self, stage, starting_elsewhere, command):
        process = stage.start("starting", *AS_PROCESS_1, *command)
        outer = psutil.Process(process.pid)
        (output,) = stage.wait_until(outer.children, "process 1")
        self.ends_soon(stage, process, output, starting_elsewhere)

    @pytest.mark.parametrize("command", PROCESSES.values(), ids=PROCESSES)
    def test_it_leaves_no_server_behind(self, empty_stage, command):
        process = empty_stage.start("starting", *command)
        empty_stage.wait_until(
            lambda: list(empty_stage.data_dir.glob("postgres.new*/PG_VERSION")), "initdb"
        )
        psutil.Process(process.pid).terminate()
        assert process.wait(seconds=10) == 0
        assert servers_in(empty_stage.data_dir) == []


def waits_for(process, file):
    """Whether it has the file open."""
    return file in [each.path for each in process.open_files()]


class TestCommands:
    def test_a_worker_with_bad_settings_tells_all_that_is_wrong(self):
        settings = {"DBT_CLOUD_URL": "http://dbt.example.com", "RELAY_HTTP_TIMEOUT": "soon"}
        done = subprocess.run(
            [sys.executable, "-m", "relay", "worker"],
            env={"PATH": os.environ["PATH"], **settings},
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout) == (2, "")
        for name in (*settings, "DBT_CLOUD_TOKEN", "DBT_CLOUD_ACCOUNT_ID", "CENSUS_API_KEY"):
            assert f"{name}:" in done.stderr
        assert "Traceback" not in done.stderr

    @pytest.mark.parametrize("whose", ["relay's own", "a named one"])
    def test_two_that_migrate_a_new_database_at_once_both_succeed(self, whose, empty_stage):
        if whose == "a named one":
            empty_stage.server.join()
            empty_stage.use_external_database()
        both = [empty_stage.command("migrate") for _ in range(2)]
        assert [each.wait() for each in both] == [0, 0], [each.output for each in both]
        assert sorted(each.stdout for each in both) == [
            f"applied: procrastinate, {', '.join(f'{n:04}' for n in range(1, int(HEAD) + 1))}\n",
            "up to date\n",
        ]
        empty_stage.server.leave()
