"""Starting sync runs: one at a time for each sync, and no more often than it may run."""

import dataclasses
import random

import pytest
from mappings import mapping_text, sync_entry
from sandbox_runs import NIGHT, night

from relay.sandbox import story
from relay.sandbox.wire import Status
from relay.vendors.connect import CensusClients


class TestOneSyncRunAtATime:
    def test_triggers_during_a_sync_run_become_one_more(self, one, sandbox, events):
        one.deliver(night())
        one.work()
        for number in (1, 2, 3):
            one.deliver(night(number, "run_tables_under_view"))
            one.work()
        assert len(sandbox.census.sync_runs) == 1
        sandbox.census.finish(sandbox.census.sync_runs[0].sync_run_id)
        one.work_for(15)
        first, second = events("sync.triggered")
        assert first["dbt_run_ids"] == [NIGHT]
        assert second["dbt_run_ids"] == [NIGHT + 1, NIGHT + 2, NIGHT + 3]
        assert second["dbt_run_id"] == NIGHT + 3
        assert len(sandbox.census.sync_runs) == 2

    def test_a_failed_sync_run_does_not_block_the_next_one(self, one, sandbox, events):
        one.deliver(night())
        one.work()
        one.deliver(night(1))
        one.work()
        sandbox.census.finish(sandbox.census.sync_runs[0].sync_run_id, status="failed")
        one.work_for(15)
        assert [line["outcome"] for line in events("sync_run.finished")] == ["failed"]
        assert len(events("sync.triggered")) == 2

    def test_a_skipped_sync_run_is_triggered_again_after_the_one_that_blocked_it(
        self, one, sandbox, events
    ):
        scheduled = sandbox.census.trigger(5123)
        one.deliver(night())
        one.work()
        one.work_for(15)
        assert len(events("sync_run.skipped")) == 1
        for _ in range(5):
            one.work_for(15)
        assert len(sandbox.census.sync_runs) == 2, "no trigger during the other sync run"
        sandbox.census.finish(scheduled.sync_run_id)
        one.work_for(15)
        assert len(sandbox.census.sync_runs) == 3
        assert events("sync.triggered")[-1]["dbt_run_ids"] == [NIGHT]
        sandbox.census.finish(sandbox.census.sync_runs[-1].sync_run_id)
        one.work_for(15)
        assert [line["outcome"] for line in events("sync_run.finished")] == ["completed"]
        assert one.is_idle()

    def test_a_sync_run_of_somebody_else_is_waited_for_until_the_deadline(
        self, one, sandbox, events
    ):
        sandbox.census.trigger(5123)
        one.deliver(night())
        one.work()
        one.work_for(15)
        one.tick(6 * 3600)
        one.work()
        (failed,) = events("sync.trigger_failed")
        assert "did not start" in failed["problem"]
        assert len(sandbox.census.sync_runs) == 2
        assert one.is_idle()

    def test_a_full_sync_is_requested_if_the_mapping_says_so(self, relay, sandbox):
        relay.map(mapping_text(sync_entry(5123, "customers", full_sync=True)))
        relay.deliver(night())
        relay.work()
        assert sandbox.census.requests_to("/trigger")[0].query == "force_full_sync=true"


class TestCoolDown:
    @pytest.fixture(name="cooling")
    def _cooling(self, relay):
        relay.map(mapping_text(sync_entry(5123, "customers", at_most_every="30m")))
        return relay

    def test_delays_triggers_and_sends_them_as_one_when_it_ends(self, cooling, sandbox, events):
        cooling.deliver(night())
        cooling.work()
        sandbox.census.finish(sandbox.census.sync_runs[0].sync_run_id)
        for number in (1, 2):
            cooling.tick(600)
            cooling.deliver(night(number))
            cooling.work()
        first, second = events("sync.withheld")
        assert first["reason"] == second["reason"] == "cooling_down"
        assert first["until"] == second["until"]
        assert len(sandbox.census.sync_runs) == 1
        cooling.tick(599)
        cooling.work()
        assert len(sandbox.census.sync_runs) == 1
        cooling.tick(2)
        cooling.work()
        assert [line["dbt_run_ids"] for line in events("sync.triggered")] == [
            [NIGHT],
            [NIGHT + 1, NIGHT + 2],
        ]

    def test_waits_for_a_sync_run_that_takes_longer(self, cooling, sandbox, events):
        cooling.deliver(night())
        cooling.work()
        cooling.tick(600)
        cooling.deliver(night(1))
        cooling.work()
        cooling.tick(3600)
        cooling.work()
        assert len(sandbox.census.sync_runs) == 1
        sandbox.census.finish(sandbox.census.sync_runs[0].sync_run_id)
        cooling.tick(15)
        cooling.work()
        assert len(sandbox.census.sync_runs) == 2

    def test_loses_no_run_and_sends_none_twice_at_random_times(self, cooling, sandbox, events):
        times = random.Random(5)
        for number in range(12):
            cooling.deliver(night(number))
            for _ in range(times.randint(1, 3)):
                cooling.work()
                cooling.tick(times.choice([5, 300, 900, 2000]))
            cooling.finish_sync_runs()
        for _ in range(8):
            cooling.tick(1800)
            cooling.work()
            cooling.finish_sync_runs()
        sent = [number for line in events("sync.triggered") for number in line["dbt_run_ids"]]
        assert sorted(sent) == [NIGHT + number for number in range(12)]
        assert len(events("sync.triggered")) < 12

    def test_records_when_a_delayed_trigger_is_due(self, cooling):
        cooling.deliver(night())
        cooling.work()
        cooling.deliver(night(1))
        cooling.work()
        states = cooling.sql("SELECT due_at > requested_at FROM relay.triggers ORDER BY 1")
        assert states == [(False,), (True,)]


class TestWorkspaces:
    def test_each_workspace_has_its_own_rate_limit(self, relay, sandbox):
        emea = {"url": sandbox.census.url, "api_key_env": "CENSUS_API_KEY", "api_version": "v2"}
        relay.map(
            mapping_text(
                sync_entry(5123, "customers", workspace="emea"),
                sync_entry(5124, "customers"),
                sync_entry(5125, "customers"),
                workspaces={"emea": emea},
            )
        )
        sandbox.census.fail_next("POST /api/v1/", Status(429, retry_after=60))
        relay.deliver(night())
        relay.work()
        asked = [seen.path for seen in sandbox.census.requests_to("/trigger")]
        assert max(asked) == "/api/v2/syncs/5123/trigger", "emea is asked anyway"
        assert len(asked) == 2, "one of the others is not even asked"
        relay.work_for(70)
        assert len(sandbox.census.sync_runs) == 3

    def test_a_key_file_that_is_being_replaced_costs_no_trigger(
        self, one, sandbox, events, tmp_path
    ):
        key_file = tmp_path / "key"
        name = "CENSUS_API_KEY_EMEA"
        settings = one.services.settings
        environment = {**settings.environment, f"{name}_FILE": str(key_file)}
        settings = type(settings).from_environment(environment)
        mapping = one.services.mapping
        census_clients = CensusClients(
            settings, lambda: mapping.current.workspaces, one.clock.stopwatch
        )
        one.services = dataclasses.replace(
            one.services, settings=settings, census_clients=census_clients
        )
        emea = {"url": sandbox.census.url, "api_key_env": name}
        one.map(
            mapping_text(sync_entry(5123, "customers", workspace="emea"), workspaces={"emea": emea})
        )
        one.deliver(night())
        one.work()
        assert events("task.failed") == []
        assert name in events("sync.trigger_retried")[0]["problem"]
        key_file.write_text(story.CENSUS_API_KEY)
        one.work_for(10)
        assert len(events("sync.triggered")) == 1

    def test_a_workspace_without_its_key_fails_the_trigger(self, one, sandbox, events):
        emea = {"url": sandbox.census.url, "api_key_env": "CENSUS_API_KEY_NOT_SET"}
        syncs = sync_entry(5123, "customers", workspace="emea")
        one.map(mapping_text(syncs, workspaces={"emea": emea}))
        one.deliver(night())
        one.work()
        assert "NOT_SET is not set" in events("sync.trigger_failed")[0]["problem"]


class TestABackoff:
    def test_is_not_ended_early_by_triggers_that_come_meanwhile(self, one, sandbox, events):
        """Each of them would use up a part of RELAY_RETRY_FOR, of which no time has passed."""
        sandbox.census.fail_next("/trigger", Status(429, retry_after=30))
        for number in range(8):
            one.deliver(night(number))
            one.work()
        assert len(events("sync.trigger_retried")) == 1
        assert events("sync.triggered") == []
        one.work_for(60)
        assert events("sync.triggered")[0]["dbt_run_ids"] == [NIGHT]
        assert events("sync.trigger_failed") == []
