"""What web counts itself: how deliveries were answered, and how soon."""

import threading
from collections import Counter
from collections.abc import Iterator

import psycopg

from relay.errors import DatabaseUnavailable
from relay.postgres.connections import (
    LimitedTransactions,
    TimeoutConnection,
    connect_with_timeout,
)
from relay.postgres.server import Server
from relay.store.pending_tallies import PendingTallies
from relay.store.tallies import DELIVERY_BUCKETS, Tallies, Tally, count, observe
from relay.web.metrics import catalogue
from relay.web.metrics.exposition import family

SECONDS_BETWEEN_FLUSHES = 10.0
WRITE_SECONDS = 1.0  # less than the connection waits: what it gave up is not done

_OF_REASONS = {
    "refused": catalogue.DELIVERIES_REFUSED.name,
    "ignored": catalogue.DELIVERIES_IGNORED.name,
}


class DeliveryCounts:
    """The deliveries that this process answered. Thread-safe.

    They are added to the database by a timer that is started by the first one, so that no delivery
    waits for it, and that there is no thread before gunicorn forks.
    """

    def __init__(self, server: Server, *, seconds: float = SECONDS_BETWEEN_FLUSHES) -> None:
        self._server = server
        self._seconds = seconds
        self._pending = PendingTallies()
        self._lock = threading.Lock()  # for the two below
        self._answered: Counter[str] = Counter()
        self._timer_is_set = False

    def answered(self, status: str, reason: str | None, seconds: float | None) -> None:
        """Count one; `reason` is why it was refused or ignored, `seconds` None if not measured."""
        self._pending.add(_tallies(status, reason, seconds))
        with self._lock:
            self._answered[status] += 1
            self._set_timer()

    def flush(self, connection: TimeoutConnection) -> None:
        """Add to the database what was counted. If it raises an error, it keeps all."""
        limited = LimitedTransactions(connection, seconds=WRITE_SECONDS)
        self._pending.flush(Tallies(limited))

    def flush_now(self) -> None:
        """The same over a connection of its own; without a database it keeps what was counted."""
        if not self._pending:
            return
        try:
            with connect_with_timeout(self._server.conninfo) as connection:
                self.flush(connection)
        except (psycopg.Error, DatabaseUnavailable, OSError):
            return  # the next time: /readyz reports the outage

    def exposition(self) -> str:
        """This process's own count."""
        with self._lock:
            answered = dict(self._answered)
        known = dict.fromkeys(catalogue.STATUSES, 0) | answered
        samples = (((status,), number) for status, number in known.items())
        return family(catalogue.PROCESS_DELIVERIES, samples)

    def _set_timer(self) -> None:
        if not self._timer_is_set:
            timer = threading.Timer(self._seconds, self._on_timer)
            timer.daemon = True
            try:
                timer.start()
            except RuntimeError:  # no thread left: the next delivery tries again
                return
            self._timer_is_set = True

    def _on_timer(self) -> None:
        with self._lock:
            self._timer_is_set = False
        self.flush_now()
        with self._lock:
            if self._pending:
                self._set_timer()


def _tallies(status: str, reason: str | None, seconds: float | None) -> Iterator[Tally]:
    yield count(catalogue.DELIVERIES.name, status=status)
    if reason is not None and status in _OF_REASONS:
        yield count(_OF_REASONS[status], reason=reason)
    if seconds is not None:
        yield from observe(catalogue.DELIVERY_SECONDS.name, seconds, DELIVERY_BUCKETS)
