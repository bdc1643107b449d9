"""Group commit: deliveries that wait together are written together, in one transaction.

Whoever holds the pen writes for all that wait. Under load a batch grows by itself to what
came in during the last commit; a lone delivery waits for nobody.
"""

import threading
import time
import uuid
from dataclasses import dataclass

import psycopg

from relay.database import ImpatientConnection, Server, connect_impatiently
from relay.errors import DatabaseUnavailable
from relay.store import Delivery, record_deliveries

PATIENCE = 4.0  # seconds until a delivery is answered with 503; dbt waits for 10
SHORTEST_CONNECT = 2.0  # seconds; libpq's own limit is no shorter
MOST_AT_ONCE = 200  # deliveries in one transaction


@dataclass(slots=True, eq=False)
class _Waiting:
    delivery: Delivery
    is_written: bool = False
    is_new: bool = False
    error: DatabaseUnavailable | None = None


class Recorder:
    """Records deliveries for the threads of one process, over one connection."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._pen = threading.Lock()
        self._waiting: list[_Waiting] = []
        self._waiting_lock = threading.Lock()
        self._connection: ImpatientConnection | None = None

    def record(self, delivery: Delivery) -> bool:
        """Write a delivery to disk; return whether it brought a new run.

        Raises DatabaseUnavailable within PATIENCE seconds: then nothing may be acknowledged.
        """
        mine = _Waiting(delivery)
        deadline = time.monotonic() + PATIENCE
        with self._waiting_lock:
            self._waiting.append(mine)
        if not self._pen.acquire(timeout=PATIENCE):
            self._withdraw(mine)
            raise DatabaseUnavailable("the database did not take a delivery in time")
        try:
            # Another thread may have written it while this one waited for the pen.
            while not mine.is_written:
                self._write_what_waits(deadline)
        finally:
            self._pen.release()
        if mine.error is not None:
            raise mine.error
        return mine.is_new

    def close(self) -> None:
        """Let go of the connection."""
        with self._pen:
            self._drop_connection()

    def _write_what_waits(self, deadline: float) -> None:
        with self._waiting_lock:
            batch, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
        try:
            new = self._write([each.delivery for each in batch], deadline)
        except (psycopg.Error, DatabaseUnavailable) as exc:
            for each in batch:
                each.error = DatabaseUnavailable(f"a delivery was not recorded: {exc}")
        else:
            for each in batch:
                each.is_new = each.delivery.delivery_id in new
        finally:
            for each in batch:
                each.is_written = True

    def _write(self, deliveries: list[Delivery], deadline: float) -> frozenset[uuid.UUID]:
        """Write them, over a new connection if the one we had turns out to be dead."""
        had_a_connection = self._connection is not None
        try:
            return self._write_once(deliveries, deadline)
        except psycopg.OperationalError:
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
        self._connection.patience = max(deadline - time.monotonic(), 0.1)
        return record_deliveries(self._connection, deliveries)

    def _connect(self, deadline: float) -> ImpatientConnection:
        left = deadline - time.monotonic()
        if left < SHORTEST_CONNECT:
            raise DatabaseUnavailable("no time is left to connect to the database")
        try:
            return connect_impatiently(self._server.conninfo)
        except psycopg.OperationalError:
            # relay's own server may have been killed; somebody else's is left alone.
            left = deadline - time.monotonic()
            return connect_impatiently(self._server.ensure_running(within=left))

    def _withdraw(self, mine: _Waiting) -> None:
        with self._waiting_lock:
            if mine in self._waiting:
                self._waiting.remove(mine)

    def _drop_connection(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
