"""A trigger that a person asks for."""

from datetime import datetime

from relay.store.jobs import run_sync
from relay.store.transactions import Connection


def trigger_by_hand(
    connection: Connection, workspace: str, sync_id: int, *, full_sync: bool, now: datetime
) -> None:
    """Have a sync triggered without a dbt run: it waits its turn like any other.

    `connection` is in autocommit: this is one transaction.
    """
    with connection.transaction():
        connection.execute(
            """
            INSERT INTO relay.triggers (workspace, sync_id, full_sync, because, through,
                                        requested_at, due_at, ran_for)
            VALUES (%s, %s, %s, '{}', '{}', %s, %s, %s)
            """,
            (workspace, sync_id, full_sync, now, now, now),
        )
        run_sync(connection, workspace, sync_id)
