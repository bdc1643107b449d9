"""An attempt to start a sync run, where one step is cut off, repeated or answered oddly."""

import json

import pytest

from relay.sandbox import story
from relay.sandbox.wire import Body, HangUpAfter

ONE_SYNC = "version: 1\nsyncs:\n  - {sync_id: 5123, depends_on: [customers]}\n"


@pytest.fixture(name="one")
def _one(relay):
    """The service with one sync, 5123, which depends on customers."""
    relay.map(ONE_SYNC)
    return relay


@pytest.fixture(name="events")
def _events(logged):
    """The log lines of these events so far."""
    return lambda *names: [line for line in logged if line["event"] in names]


def test_a_run_is_found_though_census_names_no_zone(one, sandbox, events):
    """A time without a zone is UTC; comparing it with another would else fail, for ever."""
    sandbox.census.fail_next("/trigger", HangUpAfter())
    one.deliver(story.nightly_run())
    one.work()
    (run,) = sandbox.census.sync_runs
    listed = {
        "id": run.sync_run_id,
        "status": "working",
        "created_at": f"{one.clock():%Y-%m-%dT%H:%M:%S.%f}",
    }
    answer = json.dumps({"status": "success", "data": [listed]}).encode()
    sandbox.census.fail_next("/syncs/5123/sync_runs", Body(answer))
    one.work_for(61)
    assert events("task.failed") == []
    assert [line["sync_run_id"] for line in events("sync.trigger_recovered")] == [run.sync_run_id]
    assert len(sandbox.census.requests_to("/trigger")) == 1
