"""`relay status`: deliveries, triggers, open sync runs, and what was given up."""

import json

import pytest
from mappings import mapping_text, sync_entry
from sandbox_runs import night

from relay.sandbox import story
from relay.sandbox.wire import Status


class TestStatus:
    @pytest.fixture(name="here")
    def _here(self, relay, settings):
        return {"RELAY_DATABASE_URL": settings.database_url.reveal()}

    def test_shows_deliveries_triggers_and_open_sync_runs(self, command, relay, here, sandbox):
        relay.deliver(night())
        relay.work()
        sandbox.census.finish(90001)
        relay.tick(15)
        relay.work()
        result = command("status", **here)
        assert result.exit_code == 0
        assert "planned" in result.stdout
        assert "completed" in result.stdout
        assert "queued" in result.stdout or "working" in result.stdout

    def test_prints_json(self, command, relay, here):
        relay.deliver(night())
        relay.work()
        told = json.loads(command("status", "--json", **here).stdout)
        (delivery,) = told["deliveries"]
        assert delivery["dbt_run_id"] == story.FIRST_DBT_RUN_ID
        assert {trigger["state"] for trigger in told["triggers"]} == {"running"}
        assert len(told["open_sync_runs"]) == 4

    def test_says_where_there_is_nothing(self, command, here):
        assert command("status", **here).stdout.count("none") == 4

    def test_shows_first_what_was_given_up(self, command, relay, here, sandbox):
        relay.map(mapping_text(sync_entry(5123, "customers")))
        sandbox.census.fail_next("/trigger", Status(422))
        relay.deliver(night())
        relay.work()
        sandbox.dbt_cloud.fail_next("/runs/", Status(503), times=1000)
        relay.deliver(night(1))
        relay.work_for(40 * 60)
        run, sync = json.loads(command("status", "--json", **here).stdout)["given_up"]
        assert (run["dbt_run_id"], run["sync_id"]) == (story.FIRST_DBT_RUN_ID + 1, None)
        assert (sync["dbt_run_id"], sync["sync_id"]) == (story.FIRST_DBT_RUN_ID, 5123)
        assert "HTTP 422" in sync["problem"]

    def test_exits_with_1_and_an_explanation_if_the_database_is_gone(self, command):
        result = command("status", RELAY_DATABASE_URL="postgresql://u:s3cr3t@127.0.0.1:1/x")
        assert result.exit_code == 1
        assert result.stderr.startswith("Error:\n  the database")
        assert "s3cr3t" not in result.output
