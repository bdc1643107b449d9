"""Commands and workers whose clocks differ: no trigger is lost, and none is sent twice."""

from datetime import timedelta

import pytest
from mappings import mapping_text, sync_entry
from sandbox_runs import NIGHT, night

from relay.operations.trigger import Records
from relay.sandbox.story import DBT_ACCOUNT_ID
from relay.worker.tasks import evaluate_dbt_run

BEHIND = 3  # seconds, less than between two polls


@pytest.fixture(name="posts")
def _posts(sandbox):
    return lambda: len(sandbox.census.requests_to("/trigger"))


def test_a_manual_trigger_of_a_machine_whose_clock_is_ahead_is_sent_at_once(one, posts):
    one.trigger(5123, Records.AS_MAPPED)
    one.clock.set_back(3600)
    one.work()
    assert posts() == 1


def test_a_trigger_that_another_worker_has_decided_in_this_ones_future_is_sent_at_once(one, posts):
    one.deliver(night())
    one.tick(BEHIND)
    evaluate_dbt_run(one.services, None, dbt_account_id=DBT_ACCOUNT_ID, dbt_run_id=NIGHT)
    one.clock.set_back(BEHIND)
    one.work()
    assert posts() == 1


def test_a_cool_down_that_is_over_for_the_database_is_over(one, posts):
    """Its job has been started, perhaps by another worker: nothing would start it again."""
    one.map(mapping_text(sync_entry(5123, "customers", at_most_every="30m")))
    one.deliver(night())
    one.work()
    one.finish_sync_runs()
    one.work_for(15)
    one.deliver(night(1))
    one.work()
    ((now,),) = one.sql(
        "UPDATE relay.triggers SET requested_at = now() - interval '1 h', due_at = now()"
        " WHERE attempt_id IS NULL RETURNING now()"
    )
    one.clock.now = now - timedelta(seconds=BEHIND)
    one.services.store.triggers.start_now("default", 5123)
    one.work()
    assert posts() == 2
