"""Connections: a command's only one, the worker's pool, and the engine's."""

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
# After this many a pool gives up and begins anew, so that its pauses stay below two seconds.
RECONNECT_SECONDS = 3.0
READ_ONLY = "the connection is read-only"
# Where the tables are, and how times are written: a named server's users and databases may have
# settings of their own. By a statement, for pgbouncer lets no `options` pass.
SESSION = (
    "SELECT set_config('search_path', 'public, relay', false),"
    " set_config('DateStyle', 'ISO', false)"
)
AnyConnection = TypeVar("AnyConnection", bound=psycopg.Connection[Any])


class TimeoutConnection(Connection):
    """A connection that gives up on a server that hangs: psycopg itself would wait for ever."""

    query_timeout = 3.0  # seconds for one query

    def wait(self, gen, interval=0.1, timeout=None):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201
        return super().wait(gen, interval, self.query_timeout if timeout is None else timeout)


def connect_with_timeout(conninfo: str) -> TimeoutConnection:
    """A connection that never waits for long. Raises psycopg.OperationalError."""
    connection = TimeoutConnection.connect(conninfo, autocommit=True, connect_timeout=2)
    return set_up(connection)


def connect(conninfo: str) -> Connection:
    """A connection that waits as long as it takes. Raises psycopg.OperationalError."""
    return set_up(Connection.connect(conninfo, autocommit=True))


def set_up(connection: AnyConnection) -> AnyConnection:
    """The connection, closed where its session cannot be set up."""
    try:
        connection.execute(SESSION)
    except BaseException:
        connection.close()
        raise
    return connection


def is_read_only(connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any]) -> bool:
    """Whether its session can write nothing: it was opened while the server was failing over.

    The server reports both settings to every connection, so no query is needed.
    """
    setting = connection.info.parameter_status
    return "on" in (setting("default_transaction_read_only"), setting("in_hot_standby"))


class OneConnection:
    """A store's connections where there is only one, for one thread at a time."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def connection(self) -> AbstractContextManager[psycopg.Connection[Any]]:
        """The connection, which stays open."""
        return nullcontext(self._connection)


@contextmanager
def single_connection(server: Server) -> Iterator[OneConnection]:
    """A connection for what a command asks. Raises DatabaseUnavailable."""
    try:
        with connect_with_timeout(server.conninfo) as connection:
            yield OneConnection(connection)
    except psycopg.OperationalError as exc:
        raise DatabaseUnavailable(f"it does not answer: {describe_error(exc)}") from exc


@contextmanager
def open_pool(
    server: Server, *, max_size: int
) -> Iterator[psycopg_pool.ConnectionPool[Connection]]:
    """Connections in autocommit, so many at most; a dead one is replaced when it is asked for."""
    checked = _ConnectionCheck()
    with psycopg_pool.ConnectionPool(
        server.ensure_running,
        connection_class=Connection,
        kwargs={"autocommit": True},
        min_size=1,
        max_size=max_size,
        timeout=10.0,
        reconnect_timeout=RECONNECT_SECONDS,
        reconnect_failed=psycopg_pool.ConnectionPool.check,
        check=checked.check,
        configure=checked.set_up,
        open=True,
    ) as pool:
        yield pool


def engine_pool(**arguments: Any) -> psycopg_pool.AsyncConnectionPool:
    """A pool for the engine, which would check a connection before each query, and commit after.

    Each of its queries is a transaction of its own.
    """
    checked = _ConnectionCheck()
    ours = {
        "connection_class": AsyncConnection,
        "reconnect_timeout": RECONNECT_SECONDS,
        "reconnect_failed": psycopg_pool.AsyncConnectionPool.check,
        "check": checked.check_async,
        "configure": checked.set_up_async,
    }
    return psycopg_pool.AsyncConnectionPool(**arguments | ours)


class _ConnectionCheck:
    """Asks a connection whether it lives, but not one that was asked within the last second.

    One that can write nothing is replaced: what it was opened to may since be the old server of
    two. A new one is taken as it is, so that there is one try a second and no storm of them.
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
        # A queue that was empty when PostgreSQL last looked is believed to be so: with 2,000 jobs
        # it would then sort them all for each that is fetched (160 ms), and not take the first
        # (0.6 ms).
        await connection.execute("SET enable_sort = off")
        self._asked_at[connection] = time.monotonic()

    def check(self, connection: psycopg.Connection[Any]) -> None:
        if self._is_due(connection):
            psycopg_pool.ConnectionPool.check_connection(connection)
            if is_read_only(connection):
                connection.close()  # else the pool would take it back
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
    """Have the server end this connection, and with it what it holds, soon after our machine dies.

    By itself it would take two hours to notice that nobody is there any more.
    """
    connection.execute(
        "SELECT set_config('tcp_keepalives_idle', '10', false),"
        " set_config('tcp_keepalives_interval', '5', false),"
        " set_config('tcp_keepalives_count', '2', false)"
    )
