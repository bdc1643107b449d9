"""Counters and histograms that only grow, added to in the transaction that does the thing.

A count of rows would shrink when old ones are deleted, and a counter in memory is that of one
process. Prometheus reads them at `/metrics`, whose names and labels they have.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from psycopg.types.json import Jsonb

from relay.store.transactions import Connection, Transactions

Labels = tuple[tuple[str, str], ...]
INFINITE = "+Inf"

LAG_BUCKETS = (60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400)
EVALUATION_BUCKETS = (1, 2, 5, 10, 30, 60, 300)
TRIGGER_BUCKETS = (0.5, 1, 2, 5, 10, 30, 60, 300, 1800)
REQUEST_BUCKETS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
DELIVERY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)


@dataclass(frozen=True, slots=True)
class Tally:
    """What is added to a counter, or to a bucket or the sum of a histogram."""

    name: str
    labels: Labels = ()
    amount: float = 1


def count(name: str, amount: float = 1, /, **labels: str) -> Tally:
    """An increase of a counter."""
    return Tally(name, tuple(sorted(labels.items())), amount)


def observe(
    name: str, value: float, buckets: Sequence[float], /, **labels: str
) -> tuple[Tally, ...]:
    """One value of a histogram. Here a bucket counts only what is not in a smaller one."""
    place = bisect_left(buckets, value)
    bound = INFINITE if place == len(buckets) else str(buckets[place])
    return (
        count(f"{name}_bucket", **(labels | {"le": bound})),
        count(f"{name}_sum", value, **labels),
    )


class Tallies(Transactions):
    """All counters."""

    def add(self, tallies: Iterable[Tally]) -> None:
        """Add to counters in a transaction of their own."""
        with self._statement() as connection:
            add_tallies(connection, tallies)

    def read(self) -> Mapping[str, Mapping[Labels, float]]:
        """The value of each counter by name and labels."""
        read: dict[str, dict[Labels, float]] = {}
        with self._statement() as connection:
            for name, labels, value in connection.execute(_READ):
                read.setdefault(name, {})[tuple(sorted(labels.items()))] = value
        return read


def add_tallies(connection: Connection, tallies: Iterable[Tally]) -> None:
    """Add to counters; the last statement of a transaction, because others wait for its rows."""
    total: dict[tuple[str, Labels], float] = {}
    for tally in tallies:
        key = (tally.name, tally.labels)
        total[key] = total.get(key, 0) + tally.amount
    if total:
        names = [name for name, _ in total]
        labels = [Jsonb(dict(labels)) for _, labels in total]
        connection.execute(_ADD, (names, labels, [float(value) for value in total.values()]))


# Sorted, because two transactions that lock the same rows in another order would deadlock. What is
# counted for each sync has one slot: it is rarely added to at the same time, and there are many.
_ADD = """
INSERT INTO relay.tallies AS known (name, labels, slot, value)
SELECT name, labels, CASE WHEN labels ? 'sync_id' THEN 0 ELSE pg_backend_pid() %% 16 END, value
FROM unnest(%s::text[], %s::jsonb[], %s::float8[]) AS added (name, labels, value)
ORDER BY name, labels
ON CONFLICT (name, labels, slot) DO UPDATE SET value = known.value + EXCLUDED.value
"""
_READ = "SELECT name, labels, sum(value) FROM relay.tallies GROUP BY name, labels"
