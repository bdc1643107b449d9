"""Replaying a dbt run: it is evaluated again, and triggers nothing twice unless requested."""

import pytest
from mappings import mapping_text, sync_entry
from sandbox_runs import NIGHT, night

from relay.sandbox.wire import Status
from relay.store import Redo


class TestReplay:
    @pytest.fixture(name="decided")
    def _decided(self, one, sandbox):
        """A dbt run whose one sync was triggered and has completed."""
        one.deliver(night())
        one.work()
        one.finish_sync_runs()
        one.work_for(15)
        return one

    def test_triggers_nothing_that_was_already_triggered(self, events, decided, sandbox):
        replayed = decided.replay(NIGHT)
        (left,) = replayed.left_alone
        assert (left.sync_id, left.sync_run_id) == (5123, sandbox.census.sync_runs[0].sync_run_id)
        decided.work()
        assert len(sandbox.census.requests_to("/trigger")) == 1
        assert [line["triggers"] for line in events("dbt_run.planned")] == [[5123], []]

    def test_with_again_triggers_what_was_already_triggered(self, decided, sandbox):
        assert decided.replay(NIGHT, Redo.EVERYTHING).left_alone == ()
        decided.work()
        assert len(sandbox.census.sync_runs) == 2
        (left,) = decided.replay(NIGHT).left_alone
        assert left.sync_run_id == sandbox.census.sync_runs[1].sync_run_id
        decided.work()
        assert len(sandbox.census.sync_runs) == 2

    def test_with_again_waits_for_the_open_sync_run(self, one, sandbox):
        one.deliver(night())
        one.work()
        one.replay(NIGHT, Redo.EVERYTHING)
        one.work()
        assert len(sandbox.census.sync_runs) == 1
        one.finish_sync_runs()
        one.work_for(15)
        assert len(sandbox.census.sync_runs) == 2

    def test_decides_by_the_current_mapping(self, events, decided):
        decided.map(mapping_text(sync_entry(5123, "customers"), sync_entry(5124, "orders")))
        decided.replay(NIGHT)
        decided.work()
        assert [line["sync_id"] for line in events("sync.triggered")] == [5123, 5124]

    def test_triggers_what_was_withheld_for_a_reason_that_is_gone(self, relay, events):
        relay.map(mapping_text(sync_entry(5124, "orders", tests="block")))
        relay.deliver(night(recording="build_test_fail"))
        relay.work()
        assert [line["reason"] for line in events("sync.withheld")] == ["test_failed"]
        relay.map(mapping_text(sync_entry(5124, "orders", tests="ignore")))
        relay.replay(NIGHT)
        relay.work()
        assert [line["sync_id"] for line in events("sync.triggered")] == [5124]
        assert relay.sql("SELECT reason FROM relay.decisions") == [("rebuilt",)]

    def test_triggers_again_what_census_refused(self, one, sandbox, events):
        sandbox.census.fail_next("/trigger", Status(422))
        one.deliver(night())
        one.work()
        assert len(events("sync.trigger_failed")) == 1
        assert one.replay(NIGHT).left_alone == ()
        one.work()
        assert len(events("sync.triggered")) == 1
        one.replay(NIGHT)
        one.work()
        assert len(sandbox.census.sync_runs) == 1


class TestReplayOfAnUnplannedRun:
    def test_a_run_that_was_given_up_can_be_replayed(self, one, sandbox, events):
        sandbox.dbt_cloud.fail_next("/artifacts/", Status(404), times=1000)
        one.deliver(night())
        one.work_for(40 * 60)
        assert len(events("dbt_run.given_up")) == 1
        sandbox.dbt_cloud.clear_faults()
        assert one.replay(NIGHT).replay == "due"
        one.work()
        assert len(events("sync.triggered")) == 1

    def test_a_replayed_run_has_a_new_retry_period(self, one, sandbox, events):
        sandbox.dbt_cloud.fail_next("/runs/", Status(503), times=1000)
        one.deliver(night())
        one.work_for(40 * 60)
        one.replay(NIGHT)
        one.work()
        assert len(events("dbt_run.given_up")) == 1
        assert one.replay(NIGHT).replay == "under_way"

    def test_a_run_without_a_delivery_can_be_replayed(self, one, sandbox, events):
        sandbox.dbt_cloud.add_run(night())
        assert one.replay(NIGHT).replay == "due"
        one.work()
        assert len(events("sync.triggered")) == 1
