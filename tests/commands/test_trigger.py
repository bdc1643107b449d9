"""`relay trigger`: a sync is triggered without a dbt run."""

import os
import subprocess
import sys
import time

import pytest
from mappings import mapping_text, sync_entry
from terminals import Terminal

from relay.sandbox.wire import Status


@pytest.fixture(name="worker")
def _worker(relay):
    """A sign of life of a worker."""
    relay.sql("INSERT INTO procrastinate_workers DEFAULT VALUES")


class TestTrigger:
    def test_has_a_worker_trigger_a_sync(self, command, relay, sandbox, here, worker):
        output = command("trigger", "5123", **here)
        assert output.stdout == "sync 5123: a worker will trigger it, see `relay status`\n"
        relay.tick(1)
        relay.work()
        (run,) = sandbox.census.sync_runs
        assert (run.sync_id, run.full_sync) == (5123, False)

    @pytest.mark.parametrize("words", [(), ("--wait",)], ids=["", "--wait"])
    def test_says_that_no_worker_runs(self, command, relay, sandbox, here, words):
        """It waits in the database; waiting for its end might never end."""
        result = command("trigger", "5123", *words, **here)
        assert result.exit_code == len(words)
        assert result.stdout.startswith("sync 5123: no worker runs (there is none), so it waits ")
        relay.tick(1)
        relay.work()
        assert len(sandbox.census.sync_runs) == 1

    def test_may_send_all_records(self, command, relay, sandbox, here):
        command("trigger", "5123", "--full-sync", **here)
        relay.tick(1)
        relay.work()
        assert sandbox.census.sync_runs[0].full_sync

    def test_waits_for_the_open_sync_run(self, command, relay, sandbox, here):
        for _ in range(3):
            command("trigger", "5123", **here)
            relay.tick(1)
            relay.work()
        (run,) = sandbox.census.sync_runs
        sandbox.census.finish(run.sync_run_id)
        relay.work_for(16)
        assert len(sandbox.census.sync_runs) == 2

    def test_exits_with_2_for_an_unknown_workspace(self, command, here):
        output = command("trigger", "5123", "--workspace", "apac", **here)
        assert output.exit_code == 2
        assert "'apac' is not one of default" in output.stderr


class TestASyncThatIsNotMapped:
    @pytest.mark.parametrize(
        ("sync_id", "said"),
        [
            ("5132", "has no sync 5132; did you mean 5123 (customers to Salesforce)?\n"),
            ("7", "has no sync 7; did you mean `--workspace emea`?\n"),
            ("99", "has no sync 99\n"),
        ],
    )
    @pytest.mark.parametrize("words", [("trigger",), ("explain", "--last", "--sync")])
    def test_is_refused_with_the_one_that_may_be_meant(
        self, command, relay, here, mapping, words, sync_id, said
    ):
        mapping.write_text(
            mapping_text(
                sync_entry(5124, "customers"),
                sync_entry(5123, "customers", name="customers to Salesforce"),
                sync_entry(7, "customers", workspace="emea"),
                workspaces={"emea": {"api_key_env": "CENSUS_API_KEY_EMEA"}},
            )
        )
        result = command(*words, sync_id, **here)
        assert result.exit_code == 1
        assert f"{mapping} {said}" in result.stderr
        assert ("--unmapped triggers it anyway" in result.stderr) is (words == ("trigger",))
        assert relay.sql("SELECT count(*) FROM relay.triggers") == [(0,)]

    def test_is_triggered_with_unmapped(self, command, relay, sandbox, here):
        assert command("trigger", "99", "--unmapped", **here).exit_code == 0
        assert relay.sql("SELECT sync_id FROM relay.triggers") == [(99,)]


class TestWait:
    def wait(self, relay, here, *steps):
        """The exit status and stdout of `relay trigger 5123 --wait`, while these steps are done."""
        with subprocess.Popen(
            [sys.executable, "-P", "-m", "relay", "trigger", "5123", "--wait"],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | here,
        ) as process:
            try:
                while process.poll() is None and not relay.sql("SELECT 1 FROM relay.triggers"):
                    time.sleep(0.05)
                relay.tick(1)
                relay.work()
                for step in steps:
                    step()
                relay.work_for(16)
                said, _ = process.communicate(timeout=30)
            finally:
                process.kill()
        return process.returncode, said

    def test_says_how_the_sync_run_ended(self, relay, here, worker):
        status, said = self.wait(relay, here, relay.finish_sync_runs)
        assert said.startswith("sync 5123: sync run 90001 completed, records: ")
        assert status == 0

    def test_exits_with_1_if_it_failed(self, relay, here, sandbox, worker):
        status, said = self.wait(relay, here, lambda: sandbox.census.finish(90001, status="failed"))
        assert said.startswith("sync 5123: sync run 90001 failed")
        assert status == 1

    def test_exits_with_1_if_census_refused(self, relay, here, sandbox, worker):
        sandbox.census.fail_next("/trigger", Status(422))
        status, said = self.wait(relay, here)
        assert said.startswith("sync 5123: refused: Census answered HTTP 422")
        assert status == 1

    def test_shows_progress_on_a_terminal_and_can_be_interrupted(
        self, relay, here, sandbox, worker
    ):
        terminal = Terminal("trigger", "5123", "--wait", **here)
        terminal.wait_for(lambda seen: "sync 5123: waiting for a worker …" in seen.text)
        relay.tick(1)
        relay.work()
        terminal.wait_for(lambda seen: "sync 5123: sync run 90001 started …" in seen.text)
        terminal.interrupt()
        assert terminal.end() == 1
        assert terminal.text.endswith("no longer waiting; the trigger stays, see `relay status`\n")
