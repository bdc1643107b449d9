"""The jobs that a transaction makes due: each is put into it."""

from collections.abc import Sequence
from datetime import datetime

from relay import queue
from relay.store.transactions import Connection


def examine(
    connection: Connection, dbt_account_id: int, dbt_run_id: int, *, at: datetime | None = None
) -> None:
    """The job that finds out what a dbt run rebuilt, and decides; at once without a time."""
    arguments = {"dbt_account_id": dbt_account_id, "dbt_run_id": dbt_run_id}
    queue.defer(connection, queue.RELAY_RUN, arguments, at=at)


def run_sync(connection: Connection, workspace: str, sync_id: int) -> None:
    """The job that starts what waits for a sync."""
    run_syncs(connection, [(workspace, sync_id)])


def run_syncs(connection: Connection, syncs: Sequence[tuple[str, int]]) -> None:
    """Such a job for each sync, by workspace and id, in one statement.

    A run of a large project may trigger thousands, and others wait until it is decided.
    """
    workspaces, sync_ids = [each for each, _ in syncs], [each for _, each in syncs]
    if syncs:
        connection.execute(_RUN_SYNCS, (queue.QUEUE, queue.RUN_SYNC, workspaces, sync_ids))


# Each sync has a lock of its own, which keeps two workers from starting it at once. And what is
# decided goes before what is to be examined (priority 1): a trigger does not wait behind runs.
_RUN_SYNCS = f"""
SELECT {queue.DEFER_ALL} FROM (
    SELECT ROW(
        %s, %s, 1, 'sync/' || workspace || '/' || sync_id, NULL,
        jsonb_build_object('workspace', workspace, 'sync_id', sync_id), NULL
    ){queue.AS_A_JOB}
    FROM unnest(%s::text[], %s::bigint[]) AS due (workspace, sync_id)
) AS jobs
"""


def wake_sync(connection: Connection, workspace: str, sync_id: int, at: datetime) -> None:
    """The job that looks at what waits for a sync, at `at`."""
    queue.defer(connection, queue.WAKE_SYNC, {"workspace": workspace, "sync_id": sync_id}, at=at)


def look_at_sync_run(connection: Connection, attempt_id: int, *, looks: int, at: datetime) -> None:
    """The job that asks Census how a sync run goes, at `at`."""
    arguments = {"attempt_id": attempt_id, "looks": looks}
    queue.defer(connection, queue.LOOK_AT_SYNC_RUN, arguments, at=at)
