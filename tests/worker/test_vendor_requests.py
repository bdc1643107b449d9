"""What a worker counts in memory: how the vendors answered, which tasks failed."""

from collections import Counter
from dataclasses import replace

import psycopg
import pytest
from mappings import mapping_text, sync_entry
from sandbox_runs import night

from relay.errors import DatabaseUnavailable, Rejected, Unavailable
from relay.sandbox.wire import HangUp, Status, TruncatedBody
from relay.store import Store
from relay.store.tallies import INFINITE, REQUEST_BUCKETS
from relay.vendors.observer import Operation
from relay.worker.watch import PERIODIC_SECONDS, JobWatch

REQUESTS, SECONDS = "relay_vendor_requests_total", "relay_vendor_request_seconds"


class Connections:
    """A pool's connections, or those of a database that is gone."""

    def __init__(self, pool):
        self._pool, self.gone = pool, False

    def connection(self):
        if self.gone:
            raise psycopg.OperationalError("gone")
        return self._pool.connection()


@pytest.fixture(name="connections")
def _connections(store):
    return Connections(store.takeovers._connections)


@pytest.fixture(name="round_")
def _round(one, clock, connections):
    """What a worker does every ten seconds."""
    watch = JobWatch(replace(one.services, store=Store(connections)), clock.stopwatch)

    def look():
        clock.tick(PERIODIC_SECONDS)
        watch.check()

    return look


@pytest.fixture(name="counted")
def _counted(store):
    """A counter by the labels' values in the order of their names."""

    def counted(name):
        return Counter(
            {
                tuple(value for _, value in labels): amount
                for labels, amount in store.tallies.read().get(name, {}).items()
            }
        )

    return counted


@pytest.fixture(name="pauses")
def _pauses(store):
    """When each pause ends that was recorded, by vendor and workspace."""
    return lambda: {
        each.subject: each.value
        for each in store.observations.all()
        if each.name == "vendor_paused_until"
    }


def test_every_request_of_a_dbt_run_is_counted_in_the_next_round(one, round_, counted):
    one.map(mapping_text(sync_entry(5123, "+customers")))
    one.deliver(night())
    one.work()
    assert counted(REQUESTS) == {}
    round_()
    requests = counted(REQUESTS)
    assert requests["2xx", "get_run", "dbt_cloud"] == 1
    assert requests["2xx", "get_run_results", "dbt_cloud"] >= 1
    assert requests["2xx", "get_manifest", "dbt_cloud"] >= 1
    assert requests["2xx", "trigger_sync", "census"] == 1
    assert {operation for _, operation, _ in requests} <= set(Operation) - {Operation.OTHER}
    timed = counted(f"{SECONDS}_bucket")
    assert sum(timed.values()) == sum(requests.values())
    assert {bound for bound, _, _ in timed} <= {INFINITE, *map(str, REQUEST_BUCKETS)}
    round_()
    assert counted(REQUESTS) == requests


def test_a_job_of_the_sync_run_counts_as_what_it_asks(one, round_, counted):
    one.deliver(night())
    one.work()
    one.work_for(60)
    round_()
    assert counted(REQUESTS)["2xx", "get_sync_run", "census"] >= 1


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Status(404), "4xx"),
        (Status(429, retry_after=0), "429"),
        (Status(503), "5xx"),
        (Status(302), "3xx"),
        (HangUp(), "none"),
        (TruncatedBody(), "none"),
    ],
)
def test_the_class_of_the_status_is_counted(one, sandbox, round_, counted, fault, code):
    sandbox.dbt_cloud.fail_next("/runs/", fault)
    with pytest.raises((Unavailable, Rejected)):
        one.services.dbt_cloud.get_run(night().dbt_run_id)
    round_()
    assert counted(REQUESTS) == {(code, "get_run", "dbt_cloud"): 1}


def test_a_pause_is_recorded_and_what_is_not_sent_is_not_counted(
    one, sandbox, clock, round_, counted, pauses
):
    sandbox.census.fail_next("/trigger", Status(429, retry_after=40))
    census = one.services.census_clients.of("default")
    until = clock().timestamp() + 40
    for _ in range(3):
        with pytest.raises(Unavailable):
            census.trigger_sync(5123)
    round_()
    assert counted(REQUESTS) == {("429", "trigger_sync", "census"): 1}
    assert pauses() == {"census/default": until}


def test_a_pause_of_dbt_cloud_is_of_no_workspace(one, sandbox, clock, round_, pauses):
    sandbox.dbt_cloud.fail_next("/runs/", Status(429, retry_after=7))
    with pytest.raises(Unavailable):
        one.services.dbt_cloud.get_run(night().dbt_run_id)
    until = clock().timestamp() + 7
    round_()
    assert pauses() == {"dbt_cloud": until}


def test_what_was_counted_during_an_outage_is_added_after_it(
    one, sandbox, connections, round_, counted, pauses
):
    sandbox.dbt_cloud.fail_next("/runs/", Status(429, retry_after=7))
    with pytest.raises(Unavailable):
        one.services.dbt_cloud.get_run(night().dbt_run_id)
    connections.gone = True
    round_()
    assert (counted(REQUESTS), pauses()) == ({}, {})
    connections.gone = False
    round_()
    assert counted(REQUESTS) == {("429", "get_run", "dbt_cloud"): 1}
    assert set(pauses()) == {"dbt_cloud"}


class Failing:
    """A collector that fails."""

    def __init__(self, error):
        self._error = error

    def collect(self, *_, **__):
        raise self._error


@pytest.mark.parametrize("error", [ValueError("unforeseen"), DatabaseUnavailable("gone")])
def test_a_task_that_fails_is_counted(one, round_, counted, error):
    broken = one.services
    one.services = replace(broken, collector=Failing(error))
    one.deliver(night())
    one.work()
    one.services = broken
    round_()
    assert counted("relay_task_failures_total") == {("evaluate_dbt_run",): 1}
