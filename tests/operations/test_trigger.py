"""A manual trigger becomes a sync run like any other."""

import pytest
from mappings import mapping_text, sync_entry
from sandbox_runs import NIGHT, night

from relay.operations import trigger as manual


class TestManualTrigger:
    def test_is_logged_without_a_dbt_run(self, one, events):
        one.trigger(5123, manual.Records.AS_MAPPED)
        one.work()
        (line,) = events("sync.triggered")
        assert (line["dbt_run_id"], line["dbt_run_ids"], line["because"]) == (None, [], [])

    @pytest.mark.parametrize("full_sync", [True, False])
    def test_follows_the_mappings_full_sync(self, one, sandbox, full_sync):
        one.map(mapping_text(sync_entry(5123, "customers", full_sync=full_sync)))
        one.trigger(5123, manual.Records.AS_MAPPED)
        one.work()
        assert [run.full_sync for run in sandbox.census.sync_runs] == [full_sync]

    def test_is_merged_with_the_trigger_of_a_dbt_run(self, one, sandbox, events):
        one.deliver(night())
        one.work()
        one.deliver(night(1))
        one.trigger(5123, manual.Records.ALL)
        one.work()
        one.finish_sync_runs()
        one.work_for(15)
        assert [line["dbt_run_ids"] for line in events("sync.triggered")] == [[NIGHT], [NIGHT + 1]]
        assert [run.full_sync for run in sandbox.census.sync_runs] == [False, True]
