"""Run Alembic over relay's migrations: `python -m relay.postgres.migrations.run < conninfo`.

Configured in code, without an alembic.ini.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy
import sqlalchemy.exc
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import Script, ScriptDirectory

from relay.postgres.connections import set_up
from relay.postgres.schema_version import SchemaVersion, read_version, record_migration

MIGRATIONS = Path(__file__).parent


def upgrade(conninfo: str) -> Iterator[str]:
    """Apply the missing migrations, each in its own transaction; yield the applied ones."""
    engine = sqlalchemy.create_engine(
        "postgresql+psycopg://",
        creator=lambda: _connect(conninfo),
        poolclass=sqlalchemy.NullPool,
    )
    with engine.connect() as connection:
        ours = _psycopg_connection(connection)
        context = MigrationContext.configure(connection, opts={"transaction_per_migration": True})
        for revision in _missing(read_version(ours)):
            with Operations.context(context), context.begin_transaction(_per_migration=True):
                revision.module.upgrade()
                record_migration(ours, revision.revision)
            connection.commit()
            yield revision.revision


def _missing(version: SchemaVersion | None) -> Sequence[Script]:
    """The migrations that are still to be applied, the oldest first."""
    every = list(ScriptDirectory(str(MIGRATIONS)).iterate_revisions("head", "base"))[::-1]
    return [each for each in every if version is None or each.revision > version.newest]


def _psycopg_connection(connection: sqlalchemy.Connection) -> psycopg.Connection[Any]:
    """The connection below Alembic's, with the same transaction."""
    below = connection.connection.driver_connection
    assert isinstance(below, psycopg.Connection)
    return below


def _connect(conninfo: str) -> psycopg.Connection[tuple[object, ...]]:
    connection = set_up(psycopg.connect(conninfo))
    connection.commit()
    return connection


def main() -> int:
    """Read a conninfo, upgrade its database, print what was applied; 1 and a message on error."""
    try:
        for applied in upgrade(sys.stdin.read()):
            print(applied)  # noqa: T201 - to the parent process
    except sqlalchemy.exc.SQLAlchemyError as exc:
        print(str(exc.__cause__ or exc).partition("\n")[0], file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
