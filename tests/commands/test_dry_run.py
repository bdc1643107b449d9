"""What commands say while RELAY_DRY_RUN is set."""

import dataclasses
import json

import pytest
from sandbox_runs import NIGHT, night


@pytest.fixture(name="dry")
def _dry(here):
    return {**here, "RELAY_DRY_RUN": "true"}


def test_the_status_says_so(command, relay, here, dry):
    assert "\n  dry run        nothing is triggered: " in command("status", **dry).stdout
    assert json.loads(command("status", "--json", **dry).stdout)["dry_run"] is True
    assert "dry run" not in command("status", **here).stdout


def test_a_manual_trigger_says_so_and_stays_unsent(command, one, dry, sandbox):
    one.sql("INSERT INTO procrastinate_workers DEFAULT VALUES")
    assert command("trigger", "5123", **dry).stdout == (
        "sync 5123: a worker will record it and send nothing: RELAY_DRY_RUN is set, "
        "see `relay status`\n"
    )
    one.tick(1)
    one.work()  # a worker without the setting
    assert sandbox.census.requests_to("/trigger") == []
    assert one.sql("SELECT outcome FROM relay.sync_runs") == [("dry_run",)]


def test_a_replay_says_that_a_dry_run_has_decided(command, one, dry):
    settings = dataclasses.replace(one.services.settings, dry_run=True)
    one.services = dataclasses.replace(one.services, settings=settings)
    one.deliver(night())
    one.work()
    said = command("replay", "--run", str(NIGHT), **dry).stdout
    assert "  sync 5123 was decided for it in a dry run: --again triggers it" in said
