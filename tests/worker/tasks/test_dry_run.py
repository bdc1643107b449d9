"""RELAY_DRY_RUN: everything but the POST, and nothing of the past when it is switched off."""

import dataclasses

import pytest
from mappings import mapping_text, sync_entry
from sandbox_runs import NIGHT, night

from relay.operations.trigger import Records
from relay.sandbox.wire import HangUp, HangUpAfter, Status
from relay.store import HoldScope, Mode, Redo


@pytest.fixture(name="switch")
def _switch(one):
    """A restart with or without RELAY_DRY_RUN: `switch(dry_run=True)`."""

    def switch(*, dry_run):
        settings = dataclasses.replace(one.services.settings, dry_run=dry_run)
        one.services = dataclasses.replace(one.services, settings=settings)

    return switch


@pytest.fixture(name="rehearsed")
def _rehearsed(one, switch):
    """A service in dry run."""
    switch(dry_run=True)
    return one


@pytest.fixture(name="posts")
def _posts(sandbox):
    """How many POSTs have asked for a sync run."""
    return lambda: len(sandbox.census.requests_to("/trigger"))


def deliver(one, *numbers):
    for number in numbers:
        one.deliver(night(number))
        one.work()


def test_everything_but_the_post_is_done(rehearsed, posts, events, sql):
    deliver(rehearsed, 0)
    assert posts() == 0
    (line,) = events("sync.would_trigger")
    assert line["because"] == ["model.jaffle_crm.customers"]
    assert (line["dbt_run_id"], line["dbt_run_ids"], line["sync_id"]) == (NIGHT, [NIGHT], 5123)
    assert "sync_run_id" not in line
    assert events("sync.triggered") == []
    assert sql("SELECT outcome, sync_run_id FROM relay.sync_runs") == [("dry_run", None)]
    assert sql("SELECT reason FROM relay.decisions") == [("rebuilt",)]
    assert rehearsed.is_idle()


def test_a_manual_trigger_sends_nothing(rehearsed, posts, events):
    rehearsed.trigger(5123, Records.ALL)
    rehearsed.work()
    assert posts() == 0
    assert len(events("sync.would_trigger")) == 1


def test_switching_it_off_triggers_nothing_of_the_past(rehearsed, switch, posts, events):
    deliver(rehearsed, 0, 1)
    switch(dry_run=False)
    rehearsed.work_for(3600)
    assert posts() == 0
    deliver(rehearsed, 2)
    assert [line["dbt_run_ids"] for line in events("sync.triggered")] == [[NIGHT + 2]]


def test_what_waits_when_it_is_switched_off_is_not_sent_either(rehearsed, switch, posts, events):
    """Here it was held; only what was decided since then is sent."""
    holds, sync = rehearsed.services.store.holds, HoldScope("default", 5123)
    holds.hold(sync, until=None, why=None, by="ana", now=rehearsed.clock())
    deliver(rehearsed, 0)
    rehearsed.services.store.triggers.add_manual(
        "default", 5123, full_sync=True, now=rehearsed.clock(), mode=Mode.DRY_RUN
    )
    switch(dry_run=False)
    deliver(rehearsed, 1)
    holds.release(sync, by="ana", now=rehearsed.clock())
    rehearsed.work()
    assert [line["dbt_run_ids"] for line in events("sync.would_trigger")] == [[NIGHT]]
    assert [line["dbt_run_ids"] for line in events("sync.triggered")] == [[NIGHT + 1]]
    assert posts() == 1


def test_what_waits_when_it_is_switched_on_is_not_sent(one, switch, posts, events):
    deliver(one, 0, 1)
    switch(dry_run=True)
    one.finish_sync_runs()
    one.work_for(15)
    assert [line["outcome"] for line in events("sync_run.finished")] == ["completed"]
    assert [line["dbt_run_ids"] for line in events("sync.would_trigger")] == [[NIGHT + 1]]
    assert posts() == 1


def test_a_post_in_flight_when_it_is_switched_on_is_found_and_followed(
    one, switch, sandbox, posts, events
):
    sandbox.census.fail_next("/trigger", HangUpAfter())
    deliver(one, 0)
    switch(dry_run=True)
    one.work_for(61)
    assert len(events("sync.trigger_recovered")) == 1
    one.finish_sync_runs()
    one.work_for(15)
    assert len(events("sync_run.finished")) == 1
    assert posts() == 1


@pytest.mark.parametrize("fault", [Status(429), HangUp()], ids=["refused", "lost"])
def test_a_post_that_started_nothing_is_not_sent_again_in_dry_run(
    one, switch, sandbox, posts, events, fault
):
    sandbox.census.fail_next("/trigger", fault)
    deliver(one, 0)
    switch(dry_run=True)
    one.work_for(120)
    assert posts() == 1
    assert [line["dbt_run_ids"] for line in events("sync.would_trigger")] == [[NIGHT]]
    assert one.is_idle()


def test_cool_downs_are_as_they_will_be(rehearsed, events):
    rehearsed.map(mapping_text(sync_entry(5123, "customers", at_most_every="30m")))
    deliver(rehearsed, 0)
    rehearsed.tick(600)
    deliver(rehearsed, 1)
    assert [line["reason"] for line in events("sync.withheld")] == ["cooling_down"]
    rehearsed.work_for(1200)
    assert [line["dbt_run_ids"] for line in events("sync.would_trigger")] == [[NIGHT], [NIGHT + 1]]


def test_models_that_a_dry_run_has_used_count_for_no_later_trigger(rehearsed, switch, events):
    models = ("customers", "crm_orders")
    rehearsed.map(mapping_text(sync_entry(5123, *models, require="all")))
    deliver(rehearsed, 0)
    assert len(events("sync.would_trigger")) == 1
    switch(dry_run=False)
    deliver(rehearsed, 1)
    assert [line["dbt_run_ids"] for line in events("sync.triggered")] == [[NIGHT + 1]]


@pytest.mark.parametrize(("redo", "sent"), [(Redo.NOTHING, 0), (Redo.EVERYTHING, 1)])
def test_a_replay_of_what_a_dry_run_decided_triggers_only_with_again(
    rehearsed, switch, posts, redo, sent
):
    deliver(rehearsed, 0)
    switch(dry_run=False)
    replayed = rehearsed.replay(NIGHT, redo)
    rehearsed.work()
    assert [each.outcome for each in replayed.left_alone] == ["dry_run"] * (1 - sent)
    assert posts() == sent
