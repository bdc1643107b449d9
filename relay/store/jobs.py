"""Jobs: their names, and how each is deferred inside one of relay's transactions.

Procrastinate stores jobs in PostgreSQL, so a change and the job it requires are one commit.
The web process defers jobs by name and imports no task.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from zlib import crc32

from psycopg.types.json import Jsonb

from relay.store.transactions import Connection
from relay.workspaces import SyncKey

# The number is increased when job names or arguments change: a worker of an older version, which
# may still run during an upgrade, permanently fails jobs that it does not know.
QUEUE = "relay.2"

EVALUATE_DBT_RUN = "evaluate_dbt_run"
START_SYNC_RUN = "start_sync_run"
SCHEDULED_START = "scheduled_start"
POLL_SYNC_RUN = "poll_sync_run"
CATCH_UP = "catch_up"
PRUNE = "prune"
CHECK_DRIFT = "check_drift"
END_HOLD = "end_hold"
SEND_HEARTBEAT = "send_heartbeat"
REVIEW_ALERTS = "review_alerts"
SEND_MESSAGES = "send_messages"
SCHEDULED_SEND = "scheduled_send"
ANSWER_REQUEST = "answer_request"

TASKS = (
    EVALUATE_DBT_RUN,
    START_SYNC_RUN,
    SCHEDULED_START,
    POLL_SYNC_RUN,
    CATCH_UP,
    PRUNE,
    CHECK_DRIFT,
    END_HOLD,
    REVIEW_ALERTS,
    SEND_MESSAGES,
    SCHEDULED_SEND,
    SEND_HEARTBEAT,
    ANSWER_REQUEST,
)

# Of its own, for the same reason: a worker of the version before does not know END_HOLD.
HOLDS_QUEUE = "relay.holds"

# And for the jobs about messages: what opens alerts and sends messages, and the heartbeat.
MESSAGES_QUEUE = "relay.messages"

# And for what a page asks of a worker.
REQUESTS_QUEUE = "relay.requests"

# What processes of the previous version still defer during an upgrade, after the migration has
# renamed the waiting jobs. Their other jobs need columns that no longer exist.
FORMER_QUEUE = "relay"
FORMER_NAMES: Mapping[str, str] = {
    EVALUATE_DBT_RUN: "relay_run",
    START_SYNC_RUN: "run_sync",
    SCHEDULED_START: "wake_sync",
}

MOST_SENDING = 3  # messages at once, of all workers

# What a worker reads.
QUEUES = [QUEUE, HOLDS_QUEUE, MESSAGES_QUEUE, REQUESTS_QUEUE, FORMER_QUEUE]

FORMER_ROUND = "round"  # a worker of the previous version defers it every ten seconds

# Procrastinate's own SQL function, as its client calls it: a job is then part of a statement, and
# one statement can defer many. Columns: queue, task, priority, lock, queueing lock, args, time.
DEFER_ALL: LiteralString = "procrastinate_defer_jobs_v1(array_agg(job))"
AS_A_JOB: LiteralString = "::procrastinate_job_to_defer_v1 AS job"


@dataclass(frozen=True, slots=True)
class Continuation:
    """Another task that a running job has become, which the same worker goes on with."""

    task: str
    arguments: Mapping[str, Any]


@dataclass(slots=True)
class RunningJob:
    """A job that a worker is running, and what it has become, as committed; None for nothing.

    `attempts` is how often it had been retried or taken over when the worker took it.
    """

    job_id: int
    attempts: int
    goes_on: Continuation | None = None


def defer(
    connection: Connection,
    task: str,
    arguments: Mapping[str, object],
    *,
    at: datetime | None = None,
    lock: str | None = None,
    queue: str = QUEUE,
) -> None:
    """Defer a job within the connection's transaction.

    `at` is when to run it, None for now. Jobs with the same `lock` run one at a time, in the order
    they were deferred: a job with a later `at` must have no lock, or it would block the others.
    """
    connection.execute(_DEFER, (queue, task, lock, Jsonb(dict(arguments)), at))


_DEFER = f"SELECT {DEFER_ALL} FROM (SELECT ROW(%s, %s, 0, %s, NULL, %s, %s){AS_A_JOB}) AS due"


def evaluate_dbt_run(
    connection: Connection, dbt_account_id: int, dbt_run_id: int, *, at: datetime | None = None
) -> None:
    """Defer the job that evaluates a dbt run; None for now."""
    arguments = {"dbt_account_id": dbt_account_id, "dbt_run_id": dbt_run_id}
    defer(connection, EVALUATE_DBT_RUN, arguments, at=at)


def start_sync_run(connection: Connection, workspace: str, sync_id: int) -> None:
    """Defer the job that starts a sync run for the sync's waiting triggers."""
    start_sync_runs(connection, [(workspace, sync_id)])


def start_sync_runs(connection: Connection, syncs: Collection[SyncKey]) -> None:
    """Defer that job for each sync, in one statement.

    A run of a large project may trigger thousands of syncs, and other decisions wait for it.
    """
    workspaces = [workspace for workspace, _ in syncs]
    sync_ids = [sync_id for _, sync_id in syncs]
    if syncs:
        connection.execute(_START_SYNC_RUNS, (QUEUE, START_SYNC_RUN, workspaces, sync_ids))


# Each sync has its own lock, so that two workers do not start it at once. Priority 1: triggers go
# before the evaluation of further runs.
_START_SYNC_RUNS = f"""
SELECT {DEFER_ALL} FROM (
    SELECT ROW(
        %s, %s, 1, 'sync/' || workspace || '/' || sync_id, NULL,
        jsonb_build_object('workspace', workspace, 'sync_id', sync_id), NULL
    ){AS_A_JOB}
    FROM unnest(%s::text[], %s::bigint[]) AS due (workspace, sync_id)
) AS jobs
"""


def continue_with_start(
    connection: Connection, job: RunningJob, workspace: str, sync_id: int
) -> Continuation | None:
    """Make a running job the one that starts a sync run, once the transaction is committed.

    That saves a job, and the time until a worker takes it. If the worker dies, the job is taken
    over as what it has become. None if it has been taken over already. It has no lock: a job with
    the sync's lock may be running, and `Attempts.begin` lets one of them begin.
    """
    arguments = {"workspace": workspace, "sync_id": sync_id}
    became = connection.execute(
        """
        UPDATE procrastinate_jobs SET task_name = %s, args = %s, priority = 1
        WHERE id = %s AND attempts = %s AND status = 'doing'
        """,
        (START_SYNC_RUN, Jsonb(arguments), job.job_id, job.attempts),
    )
    return Continuation(START_SYNC_RUN, arguments) if became.rowcount else None


def schedule_start(connection: Connection, workspace: str, sync_id: int, at: datetime) -> None:
    """Defer a job for `at` that then defers `start_sync_run`.

    Two jobs, because a job that waits for its time must not have the sync's lock.
    """
    defer(connection, SCHEDULED_START, {"workspace": workspace, "sync_id": sync_id}, at=at)


def poll_sync_run(connection: Connection, attempt_id: int, *, polls: int, at: datetime) -> None:
    """Defer the next poll of a sync run, at `at`; `polls` is the number of polls so far."""
    defer(connection, POLL_SYNC_RUN, {"attempt_id": attempt_id, "polls": polls}, at=at)


def send_messages(connection: Connection, channel: str) -> None:
    """Defer the job that sends a channel's oldest message; one at a time for each channel.

    Channels share MOST_SENDING locks, and any other job goes first: channels that do not answer
    leave most of a worker's slots to triggers.
    """
    lock = f"messages/{crc32(channel.encode()) % MOST_SENDING}"
    connection.execute(_SEND_MESSAGES, (MESSAGES_QUEUE, SEND_MESSAGES, lock, channel))


_SEND_MESSAGES = f"""
SELECT {DEFER_ALL} FROM (
    SELECT ROW(%s, %s, -1, %s, NULL, jsonb_build_object('channel', %s::text), NULL){AS_A_JOB}
) AS due
"""


def schedule_send(connection: Connection, channel: str, at: datetime) -> None:
    """Defer a job for `at` that then defers `send_messages`, which has a lock."""
    defer(connection, SCHEDULED_SEND, {"channel": channel}, at=at, queue=MESSAGES_QUEUE)
