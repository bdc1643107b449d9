"""Group commit: deliveries that wait at the same time are written in one transaction.

A thread that finds no leader becomes the leader: it writes the deliveries of all waiting threads,
then makes the first thread that has arrived meanwhile the next leader. Under load a batch contains
what arrived during the last commit; a single delivery does not wait.
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

PATIENCE = 4.0  # seconds until the response is 503; dbt waits 10
SHORTEST_WRITE = 0.7  # seconds at least for a write: a late leader writes for others too
SHORTEST_CONNECT = 2.0  # seconds; libpq's own limit is no shorter
MOST_AT_ONCE = 200  # deliveries in one transaction
# Errors that a new connection may not have: the old one may be to a server that is gone, or was
# opened while the database was read-only.
_CONNECTION_FAULTS = (
    DatabaseUnavailable,
    psycopg.OperationalError,
    psycopg.errors.ReadOnlySqlTransaction,
)


def _acquired_lock() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock


@dataclass(slots=True, eq=False)
class _Waiting:
    """A delivery and the thread that waits for it.

    The thread is woken when the delivery is written, or to become the leader. A lock is enough for
    that; an Event would create a condition with its own lock for each delivery.
    """

    delivery: Delivery
    woken: threading.Lock = field(default_factory=_acquired_lock)
    leads: bool = False
    is_new: bool = False
    # Replaced once the delivery is on disk: by default nothing is acknowledged.
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
        """Write a delivery to disk; return whether its run is new.

        Raises DatabaseUnavailable within PATIENCE seconds: then do not acknowledge it.
        """
        mine = _Waiting(delivery)
        deadline = time.monotonic() + PATIENCE
        self._enqueue(mine)
        if not mine.leads and not mine.woken.acquire(timeout=PATIENCE):
            self._withdraw(mine)
            raise DatabaseUnavailable("the database did not take a delivery in time")
        if mine.leads:
            self._write_batch(deadline)
        if mine.error is not None:
            raise mine.error
        return mine.is_new

    def close(self) -> None:
        """Close the connection, after all calls of `record` have returned."""
        self._drop_connection()

    def _enqueue(self, mine: _Waiting) -> None:
        with self._lock:
            self._waiting.append(mine)
            if not self._has_leader:
                self._has_leader = mine.leads = True

    def _write_batch(self, deadline: float) -> None:
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
                self._promote_next_leader()

    def _promote_next_leader(self) -> None:
        self._has_leader = bool(self._waiting)
        if self._has_leader:
            self._waiting[0].leads = True
            self._waiting[0].woken.release()

    def _write(self, deliveries: list[Delivery], deadline: float) -> frozenset[uuid.UUID]:
        """Write the deliveries, over a new connection if the old one is broken."""
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
            # The embedded server may have been killed, and is restarted; an external one is not.
            left = deadline - time.monotonic()
            return connect_with_timeout(self._server.ensure_running(within=left))

    def _withdraw(self, mine: _Waiting) -> None:
        with self._lock:
            if mine in self._waiting:
                self._waiting.remove(mine)
                if mine.leads:  # it became the leader when it timed out
                    self._promote_next_leader()

    def _drop_connection(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
