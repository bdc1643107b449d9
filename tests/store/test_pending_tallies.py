"""Counters in memory that are added to the database now and then."""

import psycopg
import pytest

from relay.errors import DatabaseUnavailable
from relay.store.pending_tallies import PendingTallies
from relay.store.tallies import Tallies, add_tallies, count, observe


class Gone:
    """A database that is gone."""

    def connection(self):
        raise psycopg.OperationalError("gone")


def test_two_processes_add_to_the_same_counters(store):
    for amount in (1, 2):
        pending = PendingTallies()
        pending.add([count("relay_deliveries_total", status="accepted")] * amount)
        pending.flush(store.tallies)
        pending.flush(store.tallies)  # there is nothing left to add
    assert store.tallies.read() == {"relay_deliveries_total": {(("status", "accepted"),): 3}}


def test_what_could_not_be_added_is_kept_and_added_later(store):
    pending = PendingTallies()
    pending.add(observe("relay_delivery_seconds", 0.02, (0.01, 0.05)))
    with pytest.raises(DatabaseUnavailable):
        pending.flush(Tallies(Gone()))
    assert pending
    pending.add(observe("relay_delivery_seconds", 0.5, (0.01, 0.05)))
    pending.flush(store.tallies)
    assert not pending
    assert store.tallies.read() == {
        "relay_delivery_seconds_bucket": {(("le", "0.05"),): 1, (("le", "+Inf"),): 1},
        "relay_delivery_seconds_sum": {(): 0.52},
    }


def test_what_is_counted_for_a_sync_has_one_row(database, sql):
    """A scrape reads them all; the other counters have several, so that few wait."""
    for _ in range(5):
        with psycopg.connect(database.conninfo, autocommit=True) as connection:
            tallies = [
                count(
                    "relay_sync_records_total", workspace="default", sync_id="1", result="updated"
                )
            ]
            add_tallies(connection, [*tallies, count("relay_caught_up_runs_total")])
    rows = "SELECT count(*), sum(value) FROM relay.tallies WHERE name = %s"
    assert sql(rows, "relay_sync_records_total") == [(1, 5)]
    ((slots, total),) = sql(rows, "relay_caught_up_runs_total")
    assert (slots > 1, total) == (True, 5)
