"""Catching up on the dbt runs whose webhook relay missed."""

import dataclasses
from datetime import timedelta

import pytest
from mappings import mapping_text, sync_entry
from sandbox_runs import NIGHT, build_run

from relay.sandbox import story
from relay.sandbox.wire import Status
from relay.store.observations import WEBHOOK_SILENT, WEBHOOK_SUBSCRIPTION
from relay.worker import tasks


def seen(relay, name):
    """The value and the detail of an observation."""
    observation = relay.services.store.observations.get(name)
    return observation.value, observation.detail


class TestMissedRun:
    @pytest.fixture(name="watching")
    def _watching(self, one):
        """A relay that was started an hour ago."""
        one.start()
        one.round()
        one.tick(3600)
        return one

    @staticmethod
    def ended(one, number=0, *, ago, **fields):
        """The run NIGHT + number, which ended so many seconds ago."""
        at = one.clock() - timedelta(seconds=ago)
        return one.sandbox.dbt_cloud.add_run(build_run(number=number, finished_at=at, **fields))

    def test_is_caught_up_and_relayed(self, watching, events):
        self.ended(watching, ago=600)
        watching.round()
        (caught,) = events("dbt_run.caught_up")
        assert caught["dbt_run_id"] == NIGHT
        assert [line["dbt_run_id"] for line in events("sync.triggered")] == [NIGHT]

    def test_is_caught_up_once(self, watching, sandbox, events):
        self.ended(watching, ago=600)
        for _ in range(3):
            watching.round()
            watching.tick(600)
        assert len(events("dbt_run.caught_up")) == 1
        assert len(sandbox.census.sync_runs) == 1

    def test_is_not_relayed_again_by_a_late_webhook(self, watching, sandbox):
        run = self.ended(watching, ago=600)
        watching.round()
        watching.deliver(run)
        watching.work()
        assert len(sandbox.census.sync_runs) == 1

    def test_is_not_one_that_a_webhook_delivered(self, watching, events):
        watching.deliver(self.ended(watching, ago=600))
        watching.work()
        watching.round()
        assert events("dbt_run.caught_up", "webhook.silent") == []

    def test_is_caught_up_a_minute_after_its_end_at_the_earliest(self, watching, events):
        self.ended(watching, ago=30)
        watching.round()
        assert events("dbt_run.caught_up") == []
        watching.tick(600)
        watching.round()
        assert len(events("dbt_run.caught_up")) == 1

    @pytest.mark.parametrize(("ago", "is_taken"), [(3599, True), (3601, False)])
    def test_is_not_one_from_before_the_first_start(self, watching, events, ago, is_taken):
        self.ended(watching, ago=ago)
        watching.round()
        assert len(events("dbt_run.caught_up")) == is_taken

    @pytest.mark.parametrize(("days", "is_taken"), [(6.9, True), (7.1, False)])
    def test_is_at_most_seven_days_old(self, watching, events, days, is_taken):
        watching.tick(30 * 86400)
        self.ended(watching, ago=days * 86400)
        watching.round()
        assert len(events("dbt_run.caught_up")) == is_taken

    def test_is_not_one_of_an_unmapped_job(self, watching, events):
        watching.map(mapping_text(sync_entry(5123, "customers", jobs=[4])))
        self.ended(watching, ago=600, dbt_job_id=3)
        self.ended(watching, 1, ago=600, dbt_job_id=4)
        watching.round()
        assert [line["dbt_run_id"] for line in events("dbt_run.caught_up")] == [NIGHT + 1]

    def test_is_caught_up_later_if_dbt_cloud_fails(self, watching, sandbox, events):
        self.ended(watching, ago=600)
        sandbox.dbt_cloud.fail_next("/runs/", Status(503))
        watching.round()
        assert "HTTP 503" in events("catch_up.failed")[0]["problem"]
        watching.tick(600)
        watching.round()
        assert len(events("dbt_run.caught_up")) == 1

    def test_runs_are_listed_at_each_interval_and_when_a_worker_starts(self, watching, sandbox):
        def lists_after(seconds):
            before = len(sandbox.dbt_cloud.requests_to("/runs/"))
            watching.tick(seconds)
            watching.round()
            return len(sandbox.dbt_cloud.requests_to("/runs/")) - before

        watching.round()
        assert lists_after(599) == 0
        assert lists_after(1) == 1
        watching.start()
        assert lists_after(0) == 1

    def test_runs_are_listed_by_one_of_several_workers(self, watching, sandbox):
        before = len(sandbox.dbt_cloud.requests_to("/runs/"))
        for _ in range(3):
            tasks.defer_periodic_tasks(watching.services)
        watching.work()
        assert len(sandbox.dbt_cloud.requests_to("/runs/")) == before + 1

    def test_runs_are_not_listed_if_the_interval_is_0(self, one, sandbox):
        settings = dataclasses.replace(one.services.settings, catch_up_interval=None)
        one.services = dataclasses.replace(one.services, settings=settings)
        one.start()
        one.tick(3600)
        one.round()
        assert sandbox.dbt_cloud.requests == []

    def test_is_a_warning_if_no_webhook_arrived_since(self, watching, events):
        self.ended(watching, ago=600)
        watching.round()
        (silent,) = events("webhook.silent")
        assert (silent["last_delivery_at"], silent["missed"]) == (None, 1)
        assert seen(watching, WEBHOOK_SILENT) == (1, "no delivery yet")

    def test_the_silence_is_over_with_the_next_delivery(self, watching):
        watching.round()
        assert seen(watching, WEBHOOK_SILENT) == (0, "")
        self.ended(watching, ago=100)
        watching.tick(600)
        watching.round()
        watching.tick(600)
        watching.round()  # nothing new was missed, and nothing delivered
        assert seen(watching, WEBHOOK_SILENT)[0] == 1
        watching.deliver(self.ended(watching, 1, ago=300))
        watching.tick(600)
        watching.round()
        assert seen(watching, WEBHOOK_SILENT) == (0, "")

    def test_is_no_warning_if_other_webhooks_arrived_since(self, watching, sql, events):
        watching.deliver(self.ended(watching, ago=300))
        sql("UPDATE relay.deliveries SET received_at = %s", watching.clock())
        self.ended(watching, 1, ago=600)
        watching.round()
        assert len(events("dbt_run.caught_up")) == 1
        assert events("webhook.silent") == []

    def test_the_webhook_subscription_is_checked(self, watching, sandbox, events):
        inactive = dataclasses.replace(
            story.SUBSCRIPTION, active=False, deactivate_reason="it failed too often"
        )
        sandbox.dbt_cloud.add_subscription(inactive)
        watching.round()
        (unwell,) = events("webhook.unwell")
        assert "it failed too often" in unwell["problem"]
        value, problem = seen(watching, WEBHOOK_SUBSCRIPTION)
        assert (value, "it failed too often" in problem) == (0, True)

    def test_a_subscription_that_is_well_is_recorded_too(self, watching, sandbox):
        sandbox.dbt_cloud.add_subscription(story.SUBSCRIPTION)
        watching.round()
        assert seen(watching, WEBHOOK_SUBSCRIPTION) == (1, "")

    def test_a_subscription_that_cannot_be_read_any_more_is_neither_well_nor_unwell(
        self, watching, sandbox
    ):
        sandbox.dbt_cloud.add_subscription(story.SUBSCRIPTION)
        watching.round()
        watching.tick(600)
        sandbox.dbt_cloud.fail_next("/webhooks/", Status(403))
        watching.round()
        assert watching.services.store.observations.get(WEBHOOK_SUBSCRIPTION) is None

    def test_is_caught_up_by_a_token_without_permission_to_read_subscriptions(
        self, watching, sandbox, events
    ):
        self.ended(watching, ago=600)
        sandbox.dbt_cloud.fail_next("/webhooks/", Status(403))
        watching.round()
        assert len(events("webhook.not_readable")) == 1
        assert len(events("dbt_run.caught_up")) == 1
