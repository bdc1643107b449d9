"""Migrates the database schema: Procrastinate's and relay's own."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import psycopg

from relay.errors import DatabaseUnavailable
from relay.logs import get_logger
from relay.notation import describe_error
from relay.postgres.connections import connect, connect_with_timeout
from relay.postgres.pooler import refuse_transaction_pooler
from relay.postgres.schema_version import read_version, table_exists
from relay.postgres.server import Server

QUERY_TIMEOUT = 10.0  # seconds; another session may have locked the schema
MIGRATION_LOCK = 0x72656C6179  # "relay", the key of an advisory lock

log = get_logger()


def migrate(server: Server) -> tuple[str, ...]:
    """Migrate the database schema, one process at a time; return the applied migrations.

    First Procrastinate's schema, then relay's own. Raises DatabaseUnavailable, and BadSettings for
    a pooler in transaction mode.
    """
    try:
        with _checked_connection(server) as connection:
            if is_current(connection):
                return ()
            _refuse_newer(connection)
        with connect(server.ensure_running()) as connection:
            connection.execute("SELECT pg_advisory_lock(%s)", (MIGRATION_LOCK,))
            _refuse_newer(connection)  # which may have migrated it meanwhile
            _require_version(connection)
            applied = (*_migrate_the_engine(connection), *_migrate_relay(server))
    except psycopg.Error as exc:
        raise DatabaseUnavailable(
            f"the database cannot be migrated: {describe_error(exc)}"
        ) from exc
    if applied:
        log.info("database.migrated", applied=list(applied))
    return applied


def find_schema(server: Server) -> bool:
    """Whether relay's schema exists; nothing is created or changed.

    Raises DatabaseUnavailable if it is another version's that this one cannot work on.
    """
    try:
        with _checked_connection(server) as connection:
            if is_current(connection):
                return True
            _refuse_newer(connection)
            _require_version(connection)
            exists = read_version(connection) is not None
    except psycopg.Error as exc:
        raise DatabaseUnavailable(f"the database cannot be read: {describe_error(exc)}") from exc
    if exists:
        raise DatabaseUnavailable(
            "the database's schema is of an older version of relay: run `relay migrate`"
        )
    return False


@contextmanager
def _checked_connection(server: Server) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A connection with a query timeout, to a database that relay can work with."""
    with connect_with_timeout(server.ensure_running()) as connection:
        connection.query_timeout = QUERY_TIMEOUT
        refuse_transaction_pooler(connection, server.conninfo)
        _require_utf8(connection)
        yield connection


def is_current(connection: psycopg.Connection[tuple[object, ...]]) -> bool:
    """Whether this relay can work on the schema: it is its own, or a newer compatible one."""
    version = read_version(connection)
    if version is None or not version.is_usable:
        return False
    applied = connection.execute("SELECT name FROM relay.engine_migrations").fetchall()
    return set(_engine_migrations()) <= {name for (name,) in applied}


def _refuse_newer(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Raise DatabaseUnavailable if a newer relay has changed the schema incompatibly."""
    version = read_version(connection)
    if version is not None and version.is_too_new:
        raise DatabaseUnavailable(
            f"the database's schema ({version.newest}) is of a newer version of relay, which this "
            "one cannot work on: install that version, or restore a backup of before its migration"
        )


def _require_version(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Raise DatabaseUnavailable if relay's tables are there, and their version is not."""
    if read_version(connection) is None and table_exists(connection, "deliveries"):
        raise DatabaseUnavailable(
            "the database has relay's tables, but relay.alembic_version or relay.schema_version is "
            "missing or empty: restore the whole backup, into an empty database"
        )


def _require_utf8(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    row = connection.execute("SELECT current_database(), getdatabaseencoding()").fetchone()
    assert row is not None
    name, encoding = row
    if encoding != "UTF8":
        raise DatabaseUnavailable(
            f"the database {name} is encoded in {encoding}, and relay needs UTF8: create another, "
            "`createdb --encoding=UTF8 --template=template0 relay`"
        )


def _migrate_the_engine(
    connection: psycopg.Connection[tuple[object, ...]],
) -> Iterator[str]:
    """Procrastinate stores no version in the database, so relay records what it applied."""
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
            "give relay its own database"
        )
    schema = (_engine_sql() / "schema.sql").read_text(encoding="utf-8")
    _apply(connection, schema, tuple(available))
    yield "procrastinate"


def _engine_migrations() -> dict[str, Path]:
    return {path.name: path for path in sorted((_engine_sql() / "migrations").glob("*.sql"))}


def _engine_sql() -> Path:
    """Procrastinate's SQL files, found without importing it: 4 MB that web would keep."""
    found = find_spec("procrastinate")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "sql"


def _apply(
    connection: psycopg.Connection[tuple[object, ...]], sql: str, names: tuple[str, ...]
) -> None:
    with connection.transaction():
        connection.execute(sql.encode())
        connection.cursor().executemany(
            "INSERT INTO relay.engine_migrations (name) VALUES (%s)", [(name,) for name in names]
        )


def _migrate_relay(server: Server) -> tuple[str, ...]:
    # In a separate process: Alembic imports SQLAlchemy, 30 MB that the service would keep.
    # The conninfo goes through a pipe: it may hold a password, and arguments are visible.
    child = subprocess.run(
        [sys.executable, "-P", "-m", "relay.postgres.migrations.run"],
        input=server.ensure_running(),
        capture_output=True,
        text=True,
        check=False,
    )
    if child.returncode != 0:
        last_line = child.stderr.rstrip().rpartition("\n")[2]
        raise DatabaseUnavailable(f"the database cannot be migrated: {last_line}")
    return tuple(child.stdout.split())
