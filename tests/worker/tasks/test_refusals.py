"""A trigger that Census refuses because its sync is gone or paused says so."""

from dataclasses import replace

import pytest
from mappings import mapping_text, sync_entry
from sandbox_runs import night

from relay.sandbox.wire import HangUp, Status
from relay.worker.services import build_services


@pytest.fixture(name="refused", params=["v1", "v2"])
def _refused(request, relay, settings, events):
    """Deliver the night's run to a sync that Census refuses; the problem that is logged."""
    relay.services = build_services(
        replace(settings, census_api_version=request.param),
        relay.services.mapping,
        relay.services.store,
        relay.clock,
        relay.clock.stopwatch,
    )

    def deliver(sync_id=5123):
        relay.map(mapping_text(sync_entry(sync_id, "customers")))
        relay.deliver(night())
        relay.work()
        (line,) = events("sync.trigger_failed")
        assert relay.sql("SELECT outcome FROM relay.sync_runs") == [("refused",)]
        assert events("task.failed") == []
        return line["problem"]

    deliver.version = request.param
    return deliver


def test_a_paused_sync_is_named_beside_censuss_message(refused, sandbox):
    sandbox.census.change_sync(5123, paused=True)
    problem = refused()
    assert problem.startswith("sync 5123 is paused in Census: Census answered HTTP 200: ")
    assert "The sync is paused" in problem


def test_a_sync_that_is_gone_is_named_with_its_workspace(refused):
    problem = refused(4999)
    assert problem.startswith("sync 4999 no longer exists in workspace default: Census answered")


def test_a_live_sync_is_named(refused, sandbox):
    sandbox.census.change_sync(5123, live=True, refuses="no")
    assert refused().startswith("sync 5123 is live in Census")


def test_a_sync_that_is_well_is_refused_for_what_census_says(refused, sandbox):
    sandbox.census.change_sync(5123, refuses="You have no credits left.")
    assert refused() == "Census answered HTTP 200: You have no credits left"
    assert len(sandbox.census.requests_to("GET /api/")) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_asks_nothing(refused, sandbox, status):
    sandbox.census.fail_next("/trigger", Status(status))
    assert f"HTTP {status}" in refused()
    assert sandbox.census.requests_to("GET /api/") == []


@pytest.mark.parametrize("fault", [*map(Status, (401, 404, 429, 500)), HangUp()], ids=repr)
def test_what_cannot_be_asked_is_said_and_hides_nothing(refused, sandbox, fault):
    sandbox.census.change_sync(5123, refuses="No.")
    sandbox.census.fail_next(f"GET /api/{refused.version}/syncs/5123", fault)
    problem = refused()
    assert problem.startswith("whether sync 5123 exists and is paused could not be asked (")
    assert problem.endswith(": Census answered HTTP 200: No")


def test_the_refusal_is_recorded_before_census_is_asked(refused, sandbox, sql, monkeypatch):
    """The look does not hold the attempt: while it lasts the row is free, and has its end."""
    sandbox.census.change_sync(5123, paused=True)
    seen = []
    answer = sandbox.census._sync_json

    def look_and_answer(*asked):
        seen.extend(sql("SELECT outcome FROM relay.sync_runs FOR UPDATE SKIP LOCKED"))
        return answer(*asked)

    monkeypatch.setattr(sandbox.census, "_sync_json", look_and_answer)
    assert "is paused" in refused()
    assert seen == [("refused",)]
