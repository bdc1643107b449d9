"""The part of `/metrics` that is read from the database, at most every few seconds."""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import psycopg

from relay.decision.mapping import SyncMapping
from relay.errors import DatabaseUnavailable
from relay.postgres.connections import (
    OneConnection,
    TimeoutConnection,
    connect_with_timeout,
    limited_transaction,
)
from relay.postgres.server import Server
from relay.store import Store
from relay.web.metrics.deliveries import DeliveryCounts
from relay.web.metrics.reading import Reading

CACHE_SECONDS = 5.0
LIMIT_SECONDS = 2.0  # to connect, and again for all that is read
SHORTEST_STATEMENT = 0.05  # seconds

_FAULTS = (psycopg.Error, DatabaseUnavailable, OSError)  # OSError: no descriptor left


class DatabaseMetrics:
    """Reads over one connection, one request at a time; the others get what it has read."""

    def __init__(
        self,
        server: Server,
        counts: DeliveryCounts,
        *,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server = server
        self._counts = counts
        self._timer = timer
        self._lock = threading.Lock()  # for all below
        self._connection: TimeoutConnection | None = None
        self._reading = Reading()
        self._text: bytes | None = None
        self._read_at: float | None = None

    def exposition(self, mapping: SyncMapping | None) -> bytes | None:
        """The text, shared by all requests; None if the database does not answer in time."""
        with self._lock:
            if self._read_at is None or self._timer() - self._read_at >= CACHE_SECONDS:
                self._text = self._read(mapping)
                self._read_at = self._timer()
            return self._text

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._drop_connection()

    def _read(self, mapping: SyncMapping | None) -> bytes | None:
        """Read, once more over a new connection if the old one has been closed."""
        began, was_connected = time.monotonic(), self._connection is not None
        try:
            return self._read_once(mapping)
        except _FAULTS:
            self._drop_connection()
            if not was_connected or time.monotonic() - began > LIMIT_SECONDS / 2:
                return None
        try:
            return self._read_once(mapping)
        except _FAULTS:
            self._drop_connection()
            return None

    def _read_once(self, mapping: SyncMapping | None) -> bytes:
        if self._connection is None:
            self._connection = connect_with_timeout(self._server.conninfo)
        self._connection.query_timeout = LIMIT_SECONDS
        self._counts.flush(self._connection)
        with limited_transaction(self._connection, seconds=LIMIT_SECONDS):
            store = Store(_UntilDeadline(self._connection))
            return self._reading.exposition(store, mapping).encode()

    def _drop_connection(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class _UntilDeadline(OneConnection):
    """Gives each statement the time that the earlier ones have left."""

    def __init__(self, connection: TimeoutConnection) -> None:
        super().__init__(connection)
        self._limited = connection
        self._deadline = time.monotonic() + LIMIT_SECONDS

    def connection(self) -> AbstractContextManager[psycopg.Connection[Any]]:
        """The connection, which stays open."""
        left = self._deadline - time.monotonic()
        self._limited.query_timeout = max(left, SHORTEST_STATEMENT)
        return super().connection()
