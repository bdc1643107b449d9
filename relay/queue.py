"""Jobs: their names, and how one is deferred inside a transaction of relay's own.

Procrastinate keeps them in PostgreSQL, so what makes a job necessary and the job itself are
one commit. web defers by name and imports no task.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, LiteralString

import psycopg
from psycopg.types.json import Jsonb

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
    connection: psycopg.Connection[Any],
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
