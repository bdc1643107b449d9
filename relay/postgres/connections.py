"""Connections: a command's single one, the worker's pool, and Procrastinate's pool."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import psycopg
import psycopg_pool

from relay.errors import DatabaseUnavailable
from relay.notation import describe_error
from relay.postgres.attempts import AsyncConnection, Connection
from relay.postgres.server import Server

CHECK_INTERVAL = 1.0  # seconds
# After this time a pool restarts its reconnection, so that its backoff stays below two seconds.
RECONNECT_SECONDS = 3.0
# A pool closes one unused connection each time; PostgreSQL has 5 MB of memory for each.
IDLE_SECONDS = 60.0
READ_ONLY = "the connection is read-only"
# Schema and time format are set explicitly: an external server may have other defaults per user or
# database. By a statement, because pgbouncer does not pass `options` through.
SESSION = (
    "SELECT set_config('search_path', 'public, relay', false),"
    " set_config('DateStyle', 'ISO', false)"
)
AnyConnection = TypeVar("AnyConnection", bound=psycopg.Connection[Any])


class TimeoutConnection(Connection):
    """A connection with a timeout per query; psycopg itself would wait forever."""

    query_timeout = 3.0  # seconds

    def wait(self, gen, interval=0.1, timeout=None):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201
        return super().wait(gen, interval, self.query_timeout if timeout is None else timeout)


def connect_with_timeout(conninfo: str) -> TimeoutConnection:
    """A connection with short timeouts. Raises psycopg.OperationalError."""
    connection = TimeoutConnection.connect(conninfo, autocommit=True, connect_timeout=2)
    return set_up(connection)


def connect(conninfo: str) -> Connection:
    """A connection without query timeout. Raises psycopg.OperationalError."""
    return set_up(Connection.connect(conninfo, autocommit=True))


def set_up(connection: AnyConnection) -> AnyConnection:
    """Set the session's parameters; close the connection if that fails."""
    try:
        connection.execute(SESSION)
    except BaseException:
        connection.close()
        raise
    return connection


def is_read_only(connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any]) -> bool:
    """Whether the session is read-only: it was opened during a failover.

    The server reports both settings to every connection, so no query is needed.
    """
    setting = connection.info.parameter_status
    return "on" in (setting("default_transaction_read_only"), setting("in_hot_standby"))


@contextmanager
def limited_transaction(connection: psycopg.Connection[Any], *, seconds: float) -> Iterator[None]:
    """A transaction each statement of which the server ends after some seconds.

    Otherwise what a client has stopped waiting for could still wait for a lock, and be done later.
    """
    with connection.transaction():
        milliseconds = str(int(seconds * 1000))
        connection.execute("SELECT set_config('statement_timeout', %s, true)", (milliseconds,))
        yield


def make_read_only(connection: TimeoutConnection, *, seconds: float) -> None:
    """Let a session only read, each statement for some seconds, on the server as well."""
    connection.query_timeout = seconds
    connection.execute(_READ_ONLY, (str(int(seconds * 1000)),))


_READ_ONLY = (
    "SELECT set_config('default_transaction_read_only', 'on', false),"
    " set_config('statement_timeout', %s, false),"
    " set_config('application_name', 'relay-dashboard', false)"
)


class LimitedTransactions:
    """A single connection for a store, each of whose calls is a limited transaction."""

    def __init__(self, connection: psycopg.Connection[Any], *, seconds: float) -> None:
        self._connection = connection
        self._seconds = seconds

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection[Any]]:
        """The connection, which stays open, in a transaction."""
        with limited_transaction(self._connection, seconds=self._seconds):
            yield self._connection


class OneConnection:
    """A single connection for a store, for one thread at a time."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def connection(self) -> AbstractContextManager[psycopg.Connection[Any]]:
        """The connection, which stays open."""
        return nullcontext(self._connection)


@contextmanager
def single_connection(server: Server) -> Iterator[OneConnection]:
    """A single connection for a command. Raises DatabaseUnavailable."""
    try:
        with connect_with_timeout(server.conninfo) as connection:
            yield OneConnection(connection)
    except psycopg.OperationalError as exc:
        raise DatabaseUnavailable(f"it does not answer: {describe_error(exc)}") from exc


@contextmanager
def single_transaction(server: Server) -> Iterator[OneConnection]:
    """A single connection, all that is done over which is one transaction.

    Raises DatabaseUnavailable.
    """
    with (
        single_connection(server) as connections,
        connections.connection() as connection,
        connection.transaction(),
    ):
        yield connections


@contextmanager
def open_pool(
    server: Server, *, max_size: int, connection_class: type[Connection] = Connection
) -> Iterator[psycopg_pool.ConnectionPool[Connection]]:
    """A pool of autocommit connections; a broken one is replaced when it is taken from the pool."""
    checked = _ConnectionCheck()
    with psycopg_pool.ConnectionPool(
        server.ensure_running,
        connection_class=connection_class,
        kwargs={"autocommit": True},
        min_size=1,
        max_size=max_size,
        timeout=10.0,
        max_idle=IDLE_SECONDS,
        reconnect_timeout=RECONNECT_SECONDS,
        reconnect_failed=psycopg_pool.ConnectionPool.check,
        check=checked.check,
        configure=checked.set_up,
        open=True,
    ) as pool:
        yield pool


def engine_pool(**arguments: Any) -> psycopg_pool.AsyncConnectionPool:
    """A pool for Procrastinate, in autocommit: each of its queries is one transaction.

    Its own pool would check a connection before each query and commit after it.
    """
    checked = _ConnectionCheck()
    ours = {
        "connection_class": AsyncConnection,
        "max_idle": IDLE_SECONDS,
        "reconnect_timeout": RECONNECT_SECONDS,
        "reconnect_failed": psycopg_pool.AsyncConnectionPool.check,
        "check": checked.check_async,
        "configure": checked.set_up_async,
    }
    return psycopg_pool.AsyncConnectionPool(**arguments | ours)


class _ConnectionCheck:
    """Checks that a connection works, at most once per CHECK_INTERVAL.

    A read-only one is replaced: after a failover it may lead to the old primary. A new one is not
    checked, so that there is one attempt a second and no reconnection storm.
    """

    def __init__(self) -> None:
        self._asked_at: WeakKeyDictionary[object, float] = WeakKeyDictionary()

    def set_up(self, connection: psycopg.Connection[Any]) -> None:
        connection.execute(SESSION)
        _set_keepalives(connection)
        self._asked_at[connection] = time.monotonic()

    async def set_up_async(self, connection: psycopg.AsyncConnection[Any]) -> None:
        await connection.set_autocommit(True)
        await connection.execute(SESSION)
        # If the statistics say that the queue is empty, but it has 2,000 jobs, PostgreSQL would
        # sort them all for each fetch (160 ms) instead of taking the first from the index (0.6 ms).
        await connection.execute("SET enable_sort = off")
        self._asked_at[connection] = time.monotonic()

    def check(self, connection: psycopg.Connection[Any]) -> None:
        if self._is_due(connection):
            psycopg_pool.ConnectionPool.check_connection(connection)
            if is_read_only(connection):
                connection.close()  # otherwise the pool would reuse it
                raise psycopg.OperationalError(READ_ONLY)

    async def check_async(self, connection: psycopg.AsyncConnection[Any]) -> None:
        if self._is_due(connection):
            await psycopg_pool.AsyncConnectionPool.check_connection(connection)
            if is_read_only(connection):
                await connection.close()
                raise psycopg.OperationalError(READ_ONLY)

    def _is_due(self, connection: object) -> bool:
        now = time.monotonic()
        if now - self._asked_at.get(connection, 0.0) < CHECK_INTERVAL:
            return False
        self._asked_at[connection] = now
        return True


def _set_keepalives(connection: psycopg.Connection[Any]) -> None:
    """Make the server close this connection, and release its locks, soon after this host dies.

    With its default keepalives it would notice that only after two hours.
    """
    connection.execute(
        "SELECT set_config('tcp_keepalives_idle', '10', false),"
        " set_config('tcp_keepalives_interval', '5', false),"
        " set_config('tcp_keepalives_count', '2', false)"
    )
