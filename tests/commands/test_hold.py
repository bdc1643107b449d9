"""`relay hold` and `relay release`, and where a hold is shown."""

import getpass
import json
import socket
from datetime import UTC, datetime, timedelta

import pytest
from mappings import mapping_text, sync_entry
from sandbox_runs import NIGHT, night


@pytest.fixture(name="worker")
def _worker(relay):
    """A sign of life of a worker."""
    relay.sql("INSERT INTO procrastinate_workers DEFAULT VALUES")


@pytest.fixture(name="held")
def _held(command, one, here):
    """Sync 5123 is held without an end, by ana, and a trigger of it waits."""
    assert command("hold", "5123", "--why", "audit", "--by", "ana", **here).exit_code == 0
    one.tick(1)
    one.deliver(night())
    one.work()


class TestHold:
    def test_says_what_is_held_and_what_that_does_not_stop(self, command, one, here):
        one.deliver(night())
        one.work()
        result = command("hold", "5123", **here)
        assert result.exit_code == 0
        assert result.stdout == (
            "sync 5123: held until it is released; triggers wait\n"
            "  1 sync run is running: followed to the end\n"
        )

    @pytest.mark.parametrize(
        ("words", "what"),
        [
            (("--all",), "all syncs"),
            (("--all", "--workspace", "default"), "all syncs of default"),
        ],
    )
    def test_holds_all_syncs(self, command, one, here, sandbox, words, what):
        assert command("hold", *words, **here).stdout.startswith(f"{what}: held ")
        one.tick(1)
        one.deliver(night())
        one.work()
        assert sandbox.census.sync_runs == []

    def test_records_who_and_why_and_until_when(self, command, one, here):
        before = datetime.now(UTC)
        printed = command("hold", "5123", "--for", "4h", "--why", "an\taudit", "--json", **here)
        hold = json.loads(printed.stdout)["hold"]
        assert hold["by"] == f"{getpass.getuser()}@{socket.gethostname()}"
        assert (hold["workspace"], hold["sync_id"], hold["why"]) == ("default", 5123, "an audit")
        until = datetime.fromisoformat(hold["until"]) - before
        assert timedelta(hours=4) <= until < timedelta(hours=4, minutes=1)

    def test_takes_a_time_too(self, command, one, here):
        at = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)
        result = command("hold", "5123", "--until", at.isoformat(), "--json", **here)
        assert datetime.fromisoformat(json.loads(result.stdout)["hold"]["until"]) == at

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            ((), "either SYNC_ID or --all"),
            (("5123", "--all"), "either SYNC_ID or --all"),
            (("5123", "--for", "4h", "--until", "18:00"), "either --for or --until"),
            (("5123", "--until", "2020-01-01"), "is over already"),
            (("5123", "--until", "tomorrow"), "expected a time, like 18:00"),
            (("5123", "--until", "2999-01-01"), "at most 365 days ahead"),
            (("5123", "--for", "4 h"), "expected a duration"),
        ],
    )
    def test_is_exact_about_its_words(self, command, one, here, words, said):
        result = command("hold", *words, **here)
        assert result.exit_code == 2
        assert said in result.stderr

    def test_refuses_a_sync_that_is_not_mapped(self, command, one, here):
        """A mistyped id would leave the sync that was meant unheld."""
        result = command("hold", "5132", **here)
        assert result.exit_code == 1
        assert "did you mean 5123" in result.stderr

    def test_works_with_a_broken_mapping_file(self, command, one, here, mapping):
        mapping.write_text("version: 1\nsyncs: 5\n")
        result = command("hold", "5123", **here)
        assert result.exit_code == 0
        assert "cannot be used" in result.stderr


class TestRelease:
    def test_starts_what_has_waited(self, command, one, here, held, worker, sandbox):
        result = command("release", "5123", **here)
        assert result.stdout == "sync 5123: released; a worker triggers what has waited\n"
        one.work()
        assert len(sandbox.census.sync_runs) == 1

    def test_says_that_no_worker_runs(self, command, here, held):
        assert "no worker runs (there is none)" in command("release", "5123", **here).stdout

    def test_of_what_is_not_held_exits_with_1(self, command, one, here):
        result = command("release", "5123", **here)
        assert result.exit_code == 1
        assert result.stdout == "sync 5123: no such hold is open, see `relay status`\n"

    def test_says_what_is_held_still(self, command, one, here, held, worker):
        command("hold", "--all", "--by", "bo", **here)
        said = command("release", "5123", **here).stdout.splitlines()
        assert said[1:] == ["  still held: all syncs, until it is released, by bo"]
        result = command("release", "--all", "--json", **here)
        released = json.loads(result.stdout)
        assert (released["released"]["sync_id"], released["still_held"]) == (None, [])


class TestWhereItIsShown:
    def test_in_the_status(self, command, one, here, held):
        text = command("status", **here).stdout
        assert "Held\n" in text
        assert "5123" in text.partition("Held\n")[2].splitlines()[2]
        assert "held" in text.partition("Newest triggers")[2]
        status = json.loads(command("status", "--json", **here).stdout)
        (hold,) = status["holds"]
        assert hold.items() >= {"sync_id": 5123, "until": None, "by": "ana", "why": "audit"}.items()
        assert hold["triggers"] == 1
        assert [row["state"] for row in status["triggers"]] == ["held"]

    def test_in_the_status_with_its_end(self, command, one, here):
        command("hold", "--all", "--for", "2d", **here)
        one.tick(1)
        one.deliver(night())
        one.work()
        assert "all syncs" in command("status", **here).stdout
        status = json.loads(command("status", "--json", **here).stdout)
        assert status["triggers"][0]["until"] == status["holds"][0]["until"] is not None

    def test_in_a_plan(self, command, one, here, held):
        text = command("plan", "--run", str(NIGHT), **here).stdout
        assert "trigger, held until it is released" in text
        planned = json.loads(command("plan", "--run", str(NIGHT), "--json", **here).stdout)
        (sync,) = planned["verdicts"]
        assert (sync["reason"], sync["hold"]["by"]) == ("rebuilt", "ana")

    def test_in_an_explanation(self, command, one, here, held):
        words = ("explain", "--sync", "5123", "--last")
        text = command(*words, **here).stdout
        assert "sync 5123: is held, so triggers wait until it is released, by ana: audit" in text
        explained = json.loads(command(*words, "--json", **here).stdout)
        assert (explained["reason"], explained["hold"]["why"]) == ("rebuilt", "audit")

    def test_in_an_explanation_of_a_run_that_is_not_decided(self, command, one, here):
        command("hold", "5123", **here)
        one.sandbox.dbt_cloud.add_run(night())
        text = command("explain", "--sync", "5123", "--run", str(NIGHT), **here).stdout
        assert "sync 5123: is held, so triggers wait" in text

    def test_by_a_manual_trigger(self, command, one, here, held, worker):
        assert command("trigger", "5123", **here).stdout == (
            "sync 5123: held until it is released, by ana: audit\n"
            "sync 5123: a worker will trigger it then, see `relay status`\n"
        )


def test_a_sync_of_another_workspace_is_another_one(command, one, here, sandbox):
    one.map(
        mapping_text(
            sync_entry(5123, "customers"),
            sync_entry(5123, "customers", workspace="emea"),
            workspaces={"emea": {"api_key_env": "CENSUS_API_KEY_EMEA"}},
        )
    )
    shown = command("hold", "5123", "--workspace", "emea", **here).stdout
    assert shown.startswith("sync emea/5123: held ")
    one.tick(1)
    one.deliver(night())
    one.work()
    assert len(sandbox.census.sync_runs) == 1
