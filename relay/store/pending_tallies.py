"""Counters that a process keeps in memory, and adds to the database every few seconds."""

import threading
from collections.abc import Iterable

from relay.store.tallies import Labels, Tallies, Tally


class PendingTallies:
    """What was counted and is not in the database yet. Thread-safe.

    A kill loses it. If the database took an increase and its answer was lost, it is added twice.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._amounts: dict[tuple[str, Labels], float] = {}

    def __bool__(self) -> bool:
        return bool(self._amounts)

    def add(self, tallies: Iterable[Tally]) -> None:
        """Count, in memory only."""
        with self._lock:
            for tally in tallies:
                key = (tally.name, tally.labels)
                self._amounts[key] = self._amounts.get(key, 0) + tally.amount

    def flush(self, tallies: Tallies) -> None:
        """Add all to the database.

        Raises DatabaseUnavailable, and then, as after any other error, keeps all for the next time.
        """
        with self._lock:
            taken, self._amounts = self._amounts, {}
        amounts = [Tally(name, labels, amount) for (name, labels), amount in taken.items()]
        if amounts:
            try:
                tallies.add(amounts)
            except BaseException:
                self.add(amounts)
                raise
