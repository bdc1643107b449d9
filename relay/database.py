"""Which PostgreSQL, how to reach it, and how its schema is brought to date."""

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import procrastinate.schema
import psycopg
import psycopg_pool
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from relay.embedded import EmbeddedServer
from relay.errors import BadSettings, DatabaseUnavailable, Problem
from relay.logs import get_logger
from relay.migrations import HEAD
from relay.settings import Settings

ONE_AT_A_TIME = 0x72656C6179  # "relay", the key of the advisory lock

CHECKED_AFTER = 1.0  # seconds

# A server that is gone without a word is noticed by the kernel, not by a query's patience.
_REACHING = {
    "connect_timeout": "3",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "2",
    "tcp_user_timeout": "10000",
    "application_name": "relay",
}

log = get_logger()


class Server(Protocol):
    """A PostgreSQL server: somebody else's, or relay's own."""

    def join(self) -> None:
        """Have it run as long as this process lives. Raises DatabaseUnavailable."""

    @property
    def conninfo(self) -> str:
        """How to reach it, running or not."""

    def ensure_running(self, within: float = ...) -> str:
        """Its conninfo, for a pool to call before it connects.

        Raises DatabaseUnavailable where it had to be started and that took too long.
        """

    def leave(self) -> None:
        """No longer need it."""


class NamedServer:
    """The server of RELAY_DATABASE_URL: it runs, or it does not."""

    def __init__(self, url: str) -> None:
        try:
            conninfo_to_dict(url)
        except psycopg.ProgrammingError:
            # libpq's own message repeats the URL, and so the password.
            problem = Problem("RELAY_DATABASE_URL", "cannot be read as a PostgreSQL URL")
            raise BadSettings((problem,)) from None
        self.conninfo = make_conninfo(url, **_without(_REACHING, conninfo_to_dict(url)))

    def join(self) -> None:
        """Nothing to do: it is not ours to start."""

    def ensure_running(self, within: float = 0.0) -> str:
        """Its conninfo: it is not ours to start."""
        return self.conninfo

    def leave(self) -> None:
        """Nothing to do: it is not ours to stop."""


class ImpatientConnection(psycopg.Connection[tuple[object, ...]]):
    """A connection that gives up on a server that hangs: psycopg itself would wait for ever."""

    patience = 3.0  # seconds for one query

    def wait(self, gen, interval=0.1, timeout=None):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201
        return super().wait(gen, interval, self.patience if timeout is None else timeout)


def connect_impatiently(conninfo: str) -> ImpatientConnection:
    """A connection that never waits for long. Raises psycopg.OperationalError."""
    return ImpatientConnection.connect(conninfo, autocommit=True, connect_timeout=2)


@contextmanager
def asking(server: Server) -> Iterator[ImpatientConnection]:
    """A connection for what a command asks. Raises DatabaseUnavailable."""
    try:
        with connect_impatiently(server.conninfo) as connection:
            yield connection
    except psycopg.OperationalError as exc:
        raise DatabaseUnavailable(f"it does not answer: {exc}") from exc


@contextmanager
def pool_of(server: Server, *, most: int) -> Iterator[psycopg_pool.ConnectionPool]:
    """Connections in autocommit, so many at most; a dead one is replaced when it is asked for."""
    with psycopg_pool.ConnectionPool(
        server.ensure_running,
        kwargs={"autocommit": True},
        min_size=1,
        max_size=most,
        timeout=10.0,
        check=_CheckedLately().check,
        configure=_notice_when_we_are_gone,
        open=True,
    ) as pool:
        yield pool


def engines_pool(**arguments: Any) -> psycopg_pool.AsyncConnectionPool:
    """A pool for the engine, which would check a connection before each query, and commit after.

    Each of its queries is a transaction of its own.
    """
    ours = {"check": _CheckedLately().check_async, "configure": _set_up_for_the_engine}
    return psycopg_pool.AsyncConnectionPool(**arguments | ours)


async def _set_up_for_the_engine(connection: psycopg.AsyncConnection[Any]) -> None:
    await connection.set_autocommit(True)
    # A queue that was empty when PostgreSQL last looked is believed to be so: with 2,000 jobs it
    # would then sort them all for each that is fetched (160 ms), and not take the first (0.6 ms).
    await connection.execute("SET enable_sort = off")


class _CheckedLately:
    """Asks a connection whether it lives, but not one that was asked within the last second."""

    def __init__(self) -> None:
        self._asked_at: WeakKeyDictionary[object, float] = WeakKeyDictionary()

    def check(self, connection: psycopg.Connection[Any]) -> None:
        if self._is_due(connection):
            psycopg_pool.ConnectionPool.check_connection(connection)

    async def check_async(self, connection: psycopg.AsyncConnection[Any]) -> None:
        if self._is_due(connection):
            await psycopg_pool.AsyncConnectionPool.check_connection(connection)

    def _is_due(self, connection: object) -> bool:
        now = time.monotonic()
        if now - self._asked_at.get(connection, 0.0) < CHECKED_AFTER:
            return False
        self._asked_at[connection] = now
        return True


def _notice_when_we_are_gone(connection: psycopg.Connection[Any]) -> None:
    """Have the server end this connection, and with it what it holds, soon after our machine dies.

    By itself it would take two hours to notice that nobody is there any more.
    """
    connection.execute(
        "SELECT set_config('tcp_keepalives_idle', '10', false),"
        " set_config('tcp_keepalives_interval', '5', false),"
        " set_config('tcp_keepalives_count', '2', false)"
    )


def server_of(settings: Settings) -> Server:
    """The server the settings name; relay's own where they name none. Raises BadSettings."""
    if settings.database_url is not None:
        return NamedServer(settings.database_url.reveal())
    return EmbeddedServer(settings.data_dir)


@contextmanager
def joined(server: Server) -> Iterator[Server]:
    """The server, running for as long as the block does."""
    server.join()
    try:
        yield server
    finally:
        server.leave()


def migrate(server: Server) -> tuple[str, ...]:
    """Bring the database's schema to date, one process at a time; return what was applied.

    Two schemas, one step: Procrastinate's, with the migrations it has gained since, and
    relay's own. Raises DatabaseUnavailable.
    """
    try:
        with psycopg.connect(server.ensure_running(), autocommit=True) as connection:
            if is_current(connection):
                return ()
            connection.execute("SELECT pg_advisory_lock(%s)", (ONE_AT_A_TIME,))
            applied = (*_migrate_the_engine(connection), *_migrate_relay(server))
    except psycopg.Error as exc:
        raise DatabaseUnavailable(f"the database cannot be brought to date: {exc}") from exc
    if applied:
        log.info("database.migrated", applied=list(applied))
    return applied


def is_current(connection: psycopg.Connection[tuple[object, ...]]) -> bool:
    """Whether the schema is the one this relay was written for."""
    row = connection.execute("SELECT to_regclass('relay.alembic_version')").fetchone()
    if row == (None,):
        return False
    row = connection.execute(
        "SELECT version_num, (SELECT array_agg(name) FROM relay.engine_migrations)"
        " FROM relay.alembic_version"
    ).fetchone()
    if row is None:
        return False
    version, applied = row
    return version == HEAD and set(_engine_migrations()) <= set(applied or ())  # type: ignore[call-overload]


def _migrate_the_engine(
    connection: psycopg.Connection[tuple[object, ...]],
) -> Iterator[str]:
    """Procrastinate keeps no version in the database, so relay lists what it applied."""
    connection.execute("CREATE SCHEMA IF NOT EXISTS relay")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS relay.engine_migrations"
        " (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
    )
    known = {name for (name,) in connection.execute("SELECT name FROM relay.engine_migrations")}
    available = _engine_migrations()
    if known:
        for name in sorted(set(available) - known):
            _apply(connection, available[name].read_text(encoding="utf-8"), (name,))
            yield name
        return
    row = connection.execute("SELECT to_regclass('procrastinate_jobs')").fetchone()
    if row != (None,):
        raise DatabaseUnavailable(
            "this database holds another program's Procrastinate tables: "
            "give relay a database of its own"
        )
    schema = procrastinate.schema.SchemaManager.get_schema()
    _apply(connection, schema, tuple(available))
    yield "procrastinate"


def _engine_migrations() -> dict[str, Path]:
    folder = Path(procrastinate.schema.SchemaManager.get_migrations_path())
    return {path.name: path for path in sorted(folder.glob("*.sql"))}


def _apply(
    connection: psycopg.Connection[tuple[object, ...]], sql: str, names: tuple[str, ...]
) -> None:
    with connection.transaction():
        connection.execute(sql.encode())
        connection.cursor().executemany(
            "INSERT INTO relay.engine_migrations (name) VALUES (%s)", [(name,) for name in names]
        )


def _migrate_relay(server: Server) -> tuple[str, ...]:
    # In a process of its own: Alembic brings SQLAlchemy, 30 MB that the service would keep.
    # The conninfo goes through a pipe: it may hold a password, and arguments can be seen.
    child = subprocess.run(
        [sys.executable, "-m", "relay.migrations.run"],
        input=server.ensure_running(),
        capture_output=True,
        text=True,
        check=False,
    )
    if child.returncode != 0:
        last_words = child.stderr.rstrip().rpartition("\n")[2]
        raise DatabaseUnavailable(f"the database cannot be brought to date: {last_words}")
    return tuple(child.stdout.split())


def _without(these: dict[str, str], named: Mapping[str, object]) -> dict[str, str]:
    return {key: value for key, value in these.items() if key not in named}
