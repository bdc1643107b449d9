"""Jobs: their names, and how each is deferred inside a transaction of relay's own.

Procrastinate keeps them in PostgreSQL, so what makes a job necessary and the job itself are
one commit. web defers by name and imports no task.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import LiteralString

from psycopg.types.json import Jsonb

from relay.store.transactions import Connection

QUEUE = "relay"

RELAY_RUN = "relay_run"
RUN_SYNC = "run_sync"
WAKE_SYNC = "wake_sync"
LOOK_AT_SYNC_RUN = "look_at_sync_run"
CATCH_UP = "catch_up"
PRUNE = "prune"

# The engine's own function, as its clients call it: this way a job is part of one statement, and
# one statement may make many. Columns: queue, task, priority, lock, queueing lock, arguments, time.
DEFER_ALL: LiteralString = "procrastinate_defer_jobs_v1(array_agg(job))"
AS_A_JOB: LiteralString = "::procrastinate_job_to_defer_v1 AS job"


def defer(
    connection: Connection,
    task: str,
    arguments: Mapping[str, object],
    *,
    at: datetime | None = None,
    lock: str | None = None,
) -> None:
    """Put a job into the connection's transaction.

    `at` is when to run it, None for at once. Jobs of one `lock` run one at a time in the order
    they were deferred: one that waits for its time holds none, or it would hold up the others.
    """
    connection.execute(_DEFER, (QUEUE, task, lock, Jsonb(dict(arguments)), at))


_DEFER = f"SELECT {DEFER_ALL} FROM (SELECT ROW(%s, %s, 0, %s, NULL, %s, %s){AS_A_JOB}) AS due"


def examine(
    connection: Connection, dbt_account_id: int, dbt_run_id: int, *, at: datetime | None = None
) -> None:
    """The job that finds out what a dbt run rebuilt, and decides; at once without a time."""
    arguments = {"dbt_account_id": dbt_account_id, "dbt_run_id": dbt_run_id}
    defer(connection, RELAY_RUN, arguments, at=at)


def run_sync(connection: Connection, workspace: str, sync_id: int) -> None:
    """The job that starts what waits for a sync."""
    run_syncs(connection, [(workspace, sync_id)])


def run_syncs(connection: Connection, syncs: Sequence[tuple[str, int]]) -> None:
    """Such a job for each sync, by workspace and id, in one statement.

    A run of a large project may trigger thousands, and others wait until it is decided.
    """
    workspaces, sync_ids = [each for each, _ in syncs], [each for _, each in syncs]
    if syncs:
        connection.execute(_RUN_SYNCS, (QUEUE, RUN_SYNC, workspaces, sync_ids))


# Each sync has a lock of its own, which keeps two workers from starting it at once. And what is
# decided goes before what is to be examined (priority 1): a trigger does not wait behind runs.
_RUN_SYNCS = f"""
SELECT {DEFER_ALL} FROM (
    SELECT ROW(
        %s, %s, 1, 'sync/' || workspace || '/' || sync_id, NULL,
        jsonb_build_object('workspace', workspace, 'sync_id', sync_id), NULL
    ){AS_A_JOB}
    FROM unnest(%s::text[], %s::bigint[]) AS due (workspace, sync_id)
) AS jobs
"""


def wake_sync(connection: Connection, workspace: str, sync_id: int, at: datetime) -> None:
    """The job that looks at what waits for a sync, at `at`."""
    defer(connection, WAKE_SYNC, {"workspace": workspace, "sync_id": sync_id}, at=at)


def look_at_sync_run(connection: Connection, attempt_id: int, *, looks: int, at: datetime) -> None:
    """The job that asks Census how a sync run goes, at `at`."""
    arguments = {"attempt_id": attempt_id, "looks": looks}
    defer(connection, LOOK_AT_SYNC_RUN, arguments, at=at)
