"""`enabled: false` also loses the triggers that wait, and says so; manual triggers are sent."""

import pytest
from mappings import mapping_text, sync_entry
from sandbox_runs import NIGHT, night

from relay.operations.trigger import Records
from relay.sandbox.wire import Status
from relay.store import Redo


def entry(**keys):
    return mapping_text(sync_entry(5123, "customers", **keys))


@pytest.fixture(name="posts")
def _posts(sandbox):
    return lambda: len(sandbox.census.requests_to("/trigger"))


@pytest.fixture(name="waiting")
def _waiting(one):
    """A trigger of the second run, which waits behind the sync run of the first one."""
    for number in (0, 1):
        one.deliver(night(number))
        one.work()
    return one


def end_the_sync_run(one, sandbox):
    (run,) = [run for run in sandbox.census.sync_runs if run.end is None]
    sandbox.census.finish(run.sync_run_id)
    one.work_for(15)


def lost(events):
    return [line for line in events("sync.withheld") if line["reason"] == "sync_disabled"]


def test_a_waiting_trigger_is_lost_and_reported(waiting, sandbox, posts, events):
    waiting.map(entry(enabled=False))
    end_the_sync_run(waiting, sandbox)
    assert posts() == 1
    (line,) = lost(events)
    assert (line["sync_id"], line["dbt_run_ids"]) == (5123, [NIGHT + 1])
    assert line["models"] == ["model.jaffle_crm.customers"]
    assert waiting.is_idle()


def test_it_is_not_sent_when_the_sync_is_enabled_again(waiting, sandbox, posts):
    waiting.map(entry(enabled=False))
    end_the_sync_run(waiting, sandbox)
    waiting.map(entry())
    waiting.work_for(3600)
    assert posts() == 1


def test_a_replay_triggers_it_after_all(waiting, sandbox, posts):
    waiting.map(entry(enabled=False))
    end_the_sync_run(waiting, sandbox)
    waiting.map(entry())
    waiting.replay(NIGHT + 1, Redo.NOTHING)
    waiting.work()
    assert posts() == 2


def test_a_manual_trigger_of_a_disabled_sync_is_sent(waiting, sandbox, posts, events):
    waiting.map(entry(enabled=False))
    waiting.trigger(5123, Records.AS_MAPPED)
    end_the_sync_run(waiting, sandbox)
    assert posts() == 2
    assert len(lost(events)) == 1
    assert events("sync.triggered")[-1]["dbt_run_ids"] == []


def test_a_trigger_that_is_retried_is_lost_too(one, sandbox, posts, events):
    sandbox.census.fail_next("/trigger", Status(429))
    one.deliver(night())
    one.work()
    one.map(entry(enabled=False))
    one.work_for(600)
    assert posts() == 1
    assert len(lost(events)) == 1
    assert one.is_idle()


def test_a_lost_trigger_does_not_count_for_a_cool_down(one, sandbox, posts, events):
    one.map(entry(at_most_every="30m"))
    one.deliver(night())
    one.work()
    end_the_sync_run(one, sandbox)
    one.deliver(night(1))
    one.work()
    one.map(entry(at_most_every="30m", enabled=False))
    one.work_for(1800)
    assert posts() == 1
    assert len(lost(events)) == 1
    one.map(entry(at_most_every="30m"))
    one.deliver(night(2))
    one.work()
    assert posts() == 2
