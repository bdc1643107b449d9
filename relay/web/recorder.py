"""Group commit: deliveries that wait together are written together, in one transaction.

A thread that finds no leader becomes one: it writes for all that wait, its followers, then makes
the first of those that came meanwhile the next leader. Under load a batch grows by itself to what
came in during the last commit; a lone delivery waits for nobody.
"""

import threading
import time
import uuid
from dataclasses import dataclass, field

import psycopg

from relay.errors import DatabaseUnavailable
from relay.notation import describe_error
from relay.postgres.connections import OneConnection, TimeoutConnection, connect_with_timeout
from relay.postgres.server import Server
from relay.store import Deliveries, Delivery

PATIENCE = 4.0  # seconds until a delivery is answered with 503; dbt waits for 10
SHORTEST_WRITE = 0.7  # of it at least for a write: a late leader writes for others too
SHORTEST_CONNECT = 2.0  # seconds; libpq's own limit is no shorter
MOST_AT_ONCE = 200  # deliveries in one transaction
# What another connection may not meet: this one may lead to a server that is none any more, or
# was opened while the database took no writes.
_CONNECTION_FAULTS = (
    DatabaseUnavailable,
    psycopg.OperationalError,
    psycopg.errors.ReadOnlySqlTransaction,
)


def _closed_lock() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock


@dataclass(slots=True, eq=False)
class _Waiting:
    """A delivery and the thread that waits for it.

    It is woken when the delivery is written, or to lead. A lock that is waited for once is all that
    takes; an Event would make a condition with a lock of its own for each delivery.
    """

    delivery: Delivery
    woken: threading.Lock = field(default_factory=_closed_lock)
    leads: bool = False
    is_new: bool = False
    # Until it is known to be on disk, it is not: nothing is acknowledged by default.
    error: DatabaseUnavailable | None = field(
        default_factory=lambda: DatabaseUnavailable("a delivery was not recorded")
    )


class Recorder:
    """Records deliveries for the threads of one process, over one connection."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._lock = threading.Lock()  # for the two below
        self._waiting: list[_Waiting] = []
        self._has_leader = False
        self._connection: TimeoutConnection | None = None  # the leader's

    def record(self, delivery: Delivery) -> bool:
        """Write a delivery to disk; return whether it brought a new run.

        Raises DatabaseUnavailable within PATIENCE seconds: then nothing may be acknowledged.
        """
        mine = _Waiting(delivery)
        deadline = time.monotonic() + PATIENCE
        self._queue_up(mine)
        if not mine.leads and not mine.woken.acquire(timeout=PATIENCE):
            self._withdraw(mine)
            raise DatabaseUnavailable("the database did not take a delivery in time")
        if mine.leads:
            self._write_what_waits(deadline)
        if mine.error is not None:
            raise mine.error
        return mine.is_new

    def close(self) -> None:
        """Let go of the connection. Nobody may be recording any more."""
        self._drop_connection()

    def _queue_up(self, mine: _Waiting) -> None:
        with self._lock:
            self._waiting.append(mine)
            if not self._has_leader:
                self._has_leader = mine.leads = True

    def _write_what_waits(self, deadline: float) -> None:
        with self._lock:
            batch, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
        try:
            new = self._write([waiting.delivery for waiting in batch], deadline)
            for waiting in batch:
                waiting.is_new = waiting.delivery.delivery_id in new
                waiting.error = None
        except (psycopg.Error, DatabaseUnavailable, OSError) as exc:  # OSError: no descriptor left
            for waiting in batch:
                waiting.error = DatabaseUnavailable(
                    f"a delivery was not recorded: {describe_error(exc)}"
                )
        finally:
            for waiting in batch:
                if not waiting.leads:
                    waiting.woken.release()
            with self._lock:
                self._make_the_next_lead()

    def _make_the_next_lead(self) -> None:
        self._has_leader = bool(self._waiting)
        if self._has_leader:
            self._waiting[0].leads = True
            self._waiting[0].woken.release()

    def _write(self, deliveries: list[Delivery], deadline: float) -> frozenset[uuid.UUID]:
        """Write them, over a new connection if the one we had turns out to be dead."""
        had_a_connection = self._connection is not None
        try:
            return self._write_once(deliveries, deadline)
        except _CONNECTION_FAULTS:
            self._drop_connection()
            if not had_a_connection or time.monotonic() > deadline - 1.0:
                raise
            return self._write_once(deliveries, deadline)
        except psycopg.Error:
            self._drop_connection()
            raise

    def _write_once(self, deliveries: list[Delivery], deadline: float) -> frozenset[uuid.UUID]:
        if self._connection is None:
            self._connection = self._connect(deadline)
        self._connection.query_timeout = max(deadline - time.monotonic(), SHORTEST_WRITE)
        return Deliveries(OneConnection(self._connection)).record(deliveries)

    def _connect(self, deadline: float) -> TimeoutConnection:
        left = deadline - time.monotonic()
        if left < SHORTEST_CONNECT:
            raise DatabaseUnavailable("no time is left to connect to the database")
        try:
            return connect_with_timeout(self._server.conninfo)
        except psycopg.OperationalError:
            # relay's own server may have been killed; somebody else's is left alone.
            left = deadline - time.monotonic()
            return connect_with_timeout(self._server.ensure_running(within=left))

    def _withdraw(self, mine: _Waiting) -> None:
        with self._lock:
            if mine in self._waiting:
                self._waiting.remove(mine)
                if mine.leads:  # it was made leader in the moment it gave up
                    self._make_the_next_lead()

    def _drop_connection(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
