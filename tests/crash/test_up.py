"""`relay up` and the commands as processes: what they keep alive, how they end, what they leave."""

import os
import signal
import subprocess
import sys

import psutil
import pytest

from crash.stage import CHECKOUT, lives, postmaster
from relay.sandbox import story

RUN = story.FIRST_DBT_RUN_ID


def child(up, word):
    """The process that `up` itself started and whose command has this word; None: there is none."""
    for process in psutil.Process(up.pid).children():
        try:
            if word in process.cmdline():
                return process
        except psutil.Error:
            continue
    return None


def everything(stage, up):
    """All the processes that run because of `up`, the database server's too."""
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
        # Told by the kernel, they ended in order: the last of them stopped the database.
        assert stage.logged("worker.stopped")
        assert stage.logged("database.stopped")


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
            empty_stage.name_the_database()
        both = [empty_stage.command("migrate") for _ in range(2)]
        assert [each.wait() for each in both] == [0, 0], [each.told for each in both]
        assert sorted(each.stdout for each in both) == [
            "applied: procrastinate, 0001, 0002, 0003, 0004, 0005\n",
            "up to date\n",
        ]
        empty_stage.server.leave()
