"""The dashboard's own connections: short, limited, and few, so that no delivery waits for them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from werkzeug.exceptions import BadRequest

from relay.errors import DatabaseUnavailable
from relay.notation import describe_error
from relay.postgres.connections import (
    LimitedTransactions,
    OneConnection,
    TimeoutConnection,
    connect_with_timeout,
    make_read_only,
)
from relay.postgres.server import Server

MOST_AT_ONCE = 2  # pages of one process, and as many actions: one may wait for a lock
LONGEST_WAIT = 1.0  # seconds for another page to be ready
LIMIT_SECONDS = 2.0  # for each statement of a page
ACTION_SECONDS = 10.0  # for each statement of an action: it may wait for what workers have locked


class Busy(DatabaseUnavailable):
    """Other pages take all connections that the dashboard may use."""


class Database:
    """Connections for pages and actions, one for each request."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._pages = threading.BoundedSemaphore(MOST_AT_ONCE)
        self._actions = threading.BoundedSemaphore(MOST_AT_ONCE)

    @contextmanager
    def reading(self) -> Iterator[OneConnection]:
        """A connection that can only read. Raises Busy, DatabaseUnavailable, BadRequest."""
        with self._connection(self._pages, LIMIT_SECONDS) as connection:
            make_read_only(connection, seconds=LIMIT_SECONDS)
            yield OneConnection(connection)

    @contextmanager
    def writing(self) -> Iterator[LimitedTransactions]:
        """A connection, all that is done over which is one transaction. Raises as `reading`."""
        with (
            self._connection(self._actions, ACTION_SECONDS) as connection,
            connection.transaction(),
        ):
            yield LimitedTransactions(connection, seconds=ACTION_SECONDS)

    @contextmanager
    def _connection(
        self, free: threading.BoundedSemaphore, seconds: float
    ) -> Iterator[TimeoutConnection]:
        if not free.acquire(timeout=LONGEST_WAIT):
            raise Busy("others are being answered; try again in a moment")
        try:
            with connect_with_timeout(self._server.conninfo) as connection:
                connection.query_timeout = seconds
                yield connection
        except psycopg.DataError as exc:  # a NUL, or the position of another list
            raise BadRequest("This address, or the form, has a value that cannot be.") from exc
        except psycopg.Error as exc:
            raise DatabaseUnavailable(f"it does not answer: {describe_error(exc)}") from exc
        finally:
            free.release()
