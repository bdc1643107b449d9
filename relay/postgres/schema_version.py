"""Which schema a database has, and which versions of relay can work on it.

A version of relay is known by its newest migration, HEAD. `relay.schema_version` holds the newest
migration that was applied, `relay.alembic_version` the oldest HEAD that can work on the result:
relay 0.1.0 knows only that table, and works if it finds its own HEAD there.
"""

from dataclasses import dataclass
from typing import Any

import psycopg

from relay.postgres.migrations import COMPATIBLE_WITH, HEAD


@dataclass(frozen=True, slots=True)
class SchemaVersion:
    """The newest migration that was applied, and the HEAD of the oldest relay that can use it."""

    newest: str
    oldest: str

    @property
    def is_usable(self) -> bool:
        """Whether this relay can work on it: it is its own, or a newer one that is compatible."""
        return self.oldest <= HEAD <= self.newest

    @property
    def is_too_new(self) -> bool:
        """Whether a newer relay has changed it so that this one cannot work on it."""
        return self.oldest > HEAD


def read_version(connection: psycopg.Connection[Any]) -> SchemaVersion | None:
    """The version of relay's schema; None if none is recorded."""
    if not table_exists(connection, "alembic_version"):
        return None
    # relay 0.1.0 made no schema_version.
    newest = "schema_version" if table_exists(connection, "schema_version") else "alembic_version"
    row = connection.execute(
        "SELECT newest.version_num, oldest.version_num"
        f" FROM relay.{newest} AS newest, relay.alembic_version AS oldest"
    ).fetchone()
    return None if row is None else SchemaVersion(*row)


def table_exists(connection: psycopg.Connection[Any], table: str) -> bool:
    """Whether relay's schema has this table."""
    return connection.execute("SELECT to_regclass(%s)", (f"relay.{table}",)).fetchone() != (None,)


def record_migration(connection: psycopg.Connection[Any], applied: str) -> None:
    """Record an applied migration, in its transaction."""
    for table, version in (
        ("schema_version", applied),
        ("alembic_version", min(applied, COMPATIBLE_WITH)),
    ):
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS relay.{table} (version_num varchar(32) PRIMARY KEY)"
        )
        connection.execute(f"DELETE FROM relay.{table}")
        connection.execute(f"INSERT INTO relay.{table} VALUES (%s)", (version,))
