"""A dbt run whose decision depends on earlier runs."""

import dataclasses

import pytest
from mappings import mapping_text, sync_entry
from sandbox_runs import NIGHT, build_run, night

from relay.operations import trigger as manual
from relay.sandbox.dbt_runs import SandboxRun, invoke
from relay.sandbox.recordings import load
from relay.sandbox.wire import Status


class TestSyncThatRequiresAllModels:
    """Two jobs: one builds `customers`, the other everything but that."""

    @pytest.fixture(name="waiting")
    def _waiting(self, relay):
        relay.map(mapping_text(sync_entry(5123, "customers", "fct_revenue", require="all")))
        return relay

    def test_is_triggered_once_the_last_model_is_rebuilt_by_any_job(self, waiting, events):
        waiting.deliver(build_run("customers"))
        waiting.work()
        (withheld,) = events("sync.withheld")
        assert withheld["reason"] == "waiting_for_models"
        assert withheld["models"] == ["model.jaffle_crm.fct_revenue"]
        waiting.tick(60)
        waiting.deliver(build_run("fct_revenue", number=1, dbt_job_id=278165))
        waiting.work()
        (triggered,) = events("sync.triggered")
        assert triggered["because"] == ["model.jaffle_crm.fct_revenue"]

    def test_waits_for_all_models_again_after_a_trigger(self, waiting, events):
        for number, model in enumerate(("customers", "fct_revenue", "customers")):
            waiting.deliver(build_run(model, number=number))
            waiting.work()
            waiting.tick(60)
        assert len(events("sync.triggered")) == 1
        assert [line["models"] for line in events("sync.withheld")] == [
            ["model.jaffle_crm.fct_revenue"],
            ["model.jaffle_crm.fct_revenue"],
        ]

    def test_waits_for_all_models_again_after_a_manual_trigger(self, waiting, events):
        waiting.deliver(build_run("customers"))
        waiting.work()
        waiting.tick(60)
        waiting.trigger(5123, manual.Records.AS_MAPPED)
        waiting.work_for(60)
        waiting.deliver(build_run("fct_revenue", number=1))
        waiting.work()
        assert events("sync.withheld")[-1]["models"] == ["model.jaffle_crm.customers"]

    def test_ignores_a_rebuild_that_is_too_old(self, waiting, events):
        waiting.deliver(build_run("customers"))
        waiting.work()
        waiting.tick(25 * 3600)
        waiting.deliver(build_run("fct_revenue", number=1))
        waiting.work()
        assert events("sync.triggered") == []

    def test_is_triggered_if_the_earlier_run_is_delivered_later(self, waiting, sandbox, events):
        sandbox.dbt_cloud.add_run(build_run("customers"))
        waiting.tick(60)
        waiting.deliver(build_run("fct_revenue", number=1))
        waiting.work()
        waiting.deliver(sandbox.dbt_cloud.run(NIGHT))
        waiting.work()
        assert [line["dbt_run_ids"] for line in events("sync.triggered")] == [[NIGHT]]

    def test_counts_the_models_of_a_refused_trigger_again(self, waiting, sandbox, events):
        sandbox.census.fail_next("/trigger", Status(404))
        waiting.deliver(build_run("customers", "fct_revenue"))
        waiting.work()
        assert len(events("sync.trigger_failed")) == 1
        waiting.tick(60)
        waiting.deliver(build_run("customers", number=1))
        waiting.work()
        assert len(events("sync.triggered")) == 1


class TestModelOlderThanItsParent:
    """`customers` reads `stg_customers` and `orders`; these are rebuilt by another job."""

    @staticmethod
    def map(relay, consistency):
        relay.map(mapping_text(sync_entry(5123, "customers", "orders", consistency=consistency)))

    @staticmethod
    def nights(relay, *runs):
        for number, models in enumerate(runs):
            relay.deliver(build_run(*models, number=number, dbt_job_id=278164 + number))
            relay.work()
            relay.tick(600)

    def test_withholds_its_syncs_until_it_is_rebuilt(self, relay, events):
        self.map(relay, "block")
        self.nights(relay, ["orders", "customers"], ["orders"], ["customers"])
        assert [line["dbt_run_ids"] for line in events("sync.triggered")] == [[NIGHT]]
        (withheld,) = events("sync.withheld")
        assert withheld["reason"] == "stale_parent"
        assert withheld["models"] == ["model.jaffle_crm.customers"]

    def test_withholds_nothing_if_the_mapping_ignores_consistency(self, relay, events):
        self.map(relay, "ignore")
        self.nights(relay, ["orders", "customers"], ["orders"])
        assert events("sync.withheld") == []


class TestRetriedRun:
    """A run in which `orders` failed, and the `dbt retry` of it."""

    @pytest.fixture(name="failed")
    def _failed(self):
        return night(recording="build_model_error")

    @pytest.fixture(name="retry")
    def _retry(self):
        again = invoke("dbt retry", load("retry"))
        return SandboxRun.of(again, dbt_run_id=NIGHT + 1, retrying_run_id=NIGHT)

    def test_counts_what_both_runs_rebuilt_and_triggers_nothing_twice(
        self, relay, failed, retry, events
    ):
        relay.deliver(failed)
        relay.work()
        assert [line["sync_id"] for line in events("sync.triggered")] == [5126]
        relay.deliver(retry)
        relay.work()
        triggered = {line["sync_id"]: line["dbt_run_ids"] for line in events("sync.triggered")}
        assert triggered == {
            5126: [NIGHT],
            5123: [NIGHT + 1],
            5124: [NIGHT + 1],
            5125: [NIGHT + 1],
        }
        assert events("dbt_run.examined")[-1]["retries"] == [NIGHT]

    def test_triggers_nothing_twice_if_its_webhook_comes_first(
        self, relay, sandbox, failed, retry, events
    ):
        sandbox.dbt_cloud.add_run(failed)
        relay.deliver(retry)
        relay.work()
        assert len(events("sync.triggered")) == 4
        relay.deliver(failed)
        relay.work()
        assert len(events("sync.triggered")) == 4

    def test_triggers_what_census_refused_the_first_time(
        self, relay, sandbox, failed, retry, events
    ):
        sandbox.census.fail_next("/trigger", Status(422))
        relay.deliver(failed)
        relay.work()
        assert [line["sync_id"] for line in events("sync.trigger_failed")] == [5126]
        relay.deliver(retry)
        relay.work()
        assert len(events("sync.triggered")) == 4

    def test_triggers_a_sync_whose_models_were_rebuilt_across_both_runs(
        self, relay, failed, retry, events
    ):
        relay.map(mapping_text(sync_entry(5123, "stg_customers", "customers")))
        relay.deliver(failed)
        relay.work()
        assert [line["reason"] for line in events("sync.withheld")] == ["model_failed"]
        relay.deliver(retry)
        relay.work()
        (triggered,) = events("sync.triggered")
        assert triggered["because"] == [
            "model.jaffle_crm.customers",
            "model.jaffle_crm.stg_customers",
        ]

    def test_that_retries_itself_in_a_cycle_is_evaluated_once(
        self, one, sandbox, failed, retry, events
    ):
        sandbox.dbt_cloud.add_run(dataclasses.replace(failed, retrying_run_id=NIGHT + 1))
        one.deliver(retry)
        one.work()
        assert len(events("sync.triggered")) == 1
