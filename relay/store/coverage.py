"""What the mapping covers of the dbt project, as a worker last compared them."""

from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from relay.decision.coverage import Coverage
from relay.store.transactions import Connection, Transactions


class Coverages(Transactions):
    """The last one, and what each sync selects."""

    def record(self, coverage: Coverage, *, digest: str, lacks: str | None, at: datetime) -> None:
        """Replace what was known.

        `digest` is the mapping's; `lacks` says which part of the project could not be read.
        """
        found = Jsonb({**_found(coverage), "lacks": lacks})
        with self._transaction() as connection:
            # Of two workers at once the other one waits: each replaces all rows.
            connection.execute("LOCK TABLE relay.selections IN SHARE ROW EXCLUSIVE MODE")
            _replace_selections(connection, coverage)
            connection.execute(_RECORD, (digest, at, found))


def _replace_selections(connection: Connection, coverage: Coverage) -> None:
    connection.execute("DELETE FROM relay.selections")
    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        for one in coverage.selected:
            copy.write_row(
                (one.workspace, one.sync_id, one.node, one.materialized, list(one.behind))
            )


def _found(coverage: Coverage) -> dict[str, Any]:
    return {
        "words": coverage.words,
        "nodes_of": [[*key, count] for key, count in coverage.nodes_of.items()],
        "unread": [[one.node, one.tags, one.exposures] for one in coverage.unread],
        "unread_count": coverage.unread_count,
        "exposures": [[one.unique_id, one.sync] for one in coverage.exposures],
        "exposures_count": coverage.exposures_count,
    }


_COPY = "COPY relay.selections (workspace, sync_id, node, materialized, behind) FROM STDIN"
_RECORD = """
INSERT INTO relay.coverage (digest, found_at, found) VALUES (%s, %s, %s)
ON CONFLICT (is_last) DO UPDATE
SET digest = EXCLUDED.digest, found_at = EXCLUDED.found_at, found = EXCLUDED.found
"""
