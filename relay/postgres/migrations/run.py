"""Run Alembic over relay's migrations: `python -m relay.postgres.migrations.run < conninfo`.

Configured in code, without an alembic.ini.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import sqlalchemy
import sqlalchemy.exc
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory

from relay.postgres.connections import set_up

MIGRATIONS = Path(__file__).parent


def upgrade(conninfo: str) -> Iterator[str]:
    """Apply the missing migrations, each in its own transaction; yield the applied ones."""
    script = ScriptDirectory(str(MIGRATIONS))
    engine = sqlalchemy.create_engine(
        "postgresql+psycopg://",
        creator=lambda: _connect(conninfo),
        poolclass=sqlalchemy.NullPool,
    )
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table_schema": "relay", "transaction_per_migration": True}
        )
        missing = script.iterate_revisions("head", context.get_current_revision())
        for revision in reversed(list(missing)):
            with Operations.context(context), context.begin_transaction(_per_migration=True):
                revision.module.upgrade()
                context.stamp(script, revision.revision)
            connection.commit()
            yield revision.revision


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
