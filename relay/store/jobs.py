"""Jobs: their names, and how each is deferred inside a transaction of relay's own.

Procrastinate keeps them in PostgreSQL, so what makes a job necessary and the job itself are
one commit. web defers by name and imports no task.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import LiteralString

from psycopg.types.json import Jsonb

from relay.store.transactions import Connection
from relay.workspaces import SyncKey

# The number goes up when jobs change their names or arguments: a worker of an older version, which
# may still run during an upgrade, fails for good what it does not know.
QUEUE = "relay.2"

EVALUATE_DBT_RUN = "evaluate_dbt_run"
START_SYNC_RUN = "start_sync_run"
SCHEDULED_START = "scheduled_start"
POLL_SYNC_RUN = "poll_sync_run"
CATCH_UP = "catch_up"
PRUNE = "prune"

# What processes of the version before still defer during an upgrade, after the migration has
# renamed the jobs that waited. Their other jobs need columns that are gone.
FORMER_QUEUE = "relay"
FORMER_NAMES: Mapping[str, str] = {
    EVALUATE_DBT_RUN: "relay_run",
    START_SYNC_RUN: "run_sync",
    SCHEDULED_START: "wake_sync",
}

FORMER_ROUND = "round"  # a worker of the version before defers it every ten seconds

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


def evaluate_dbt_run(
    connection: Connection, dbt_account_id: int, dbt_run_id: int, *, at: datetime | None = None
) -> None:
    """The job that finds out what a dbt run rebuilt, and decides; at once without a time."""
    arguments = {"dbt_account_id": dbt_account_id, "dbt_run_id": dbt_run_id}
    defer(connection, EVALUATE_DBT_RUN, arguments, at=at)


def start_sync_run(connection: Connection, workspace: str, sync_id: int) -> None:
    """The job that starts what waits for a sync."""
    start_sync_runs(connection, [(workspace, sync_id)])


def start_sync_runs(connection: Connection, syncs: Sequence[SyncKey]) -> None:
    """Such a job for each sync, by workspace and id, in one statement.

    A run of a large project may trigger thousands, and others wait until it is decided.
    """
    workspaces = [workspace for workspace, _ in syncs]
    sync_ids = [sync_id for _, sync_id in syncs]
    if syncs:
        connection.execute(_START_SYNC_RUNS, (QUEUE, START_SYNC_RUN, workspaces, sync_ids))


# Each sync has a lock of its own, which keeps two workers from starting it at once. And what is
# decided goes before what is to be evaluated (priority 1): a trigger does not wait behind runs.
_START_SYNC_RUNS = f"""
SELECT {DEFER_ALL} FROM (
    SELECT ROW(
        %s, %s, 1, 'sync/' || workspace || '/' || sync_id, NULL,
        jsonb_build_object('workspace', workspace, 'sync_id', sync_id), NULL
    ){AS_A_JOB}
    FROM unnest(%s::text[], %s::bigint[]) AS due (workspace, sync_id)
) AS jobs
"""


def schedule_start(connection: Connection, workspace: str, sync_id: int, at: datetime) -> None:
    """The job that, at `at`, defers the one that starts what waits for a sync.

    Two jobs, for one that waits for its time must not have the sync's lock.
    """
    defer(connection, SCHEDULED_START, {"workspace": workspace, "sync_id": sync_id}, at=at)


def poll_sync_run(connection: Connection, attempt_id: int, *, polls: int, at: datetime) -> None:
    """The job that asks Census about a sync run at `at`; `polls` is how often it was asked."""
    defer(connection, POLL_SYNC_RUN, {"attempt_id": attempt_id, "polls": polls}, at=at)
