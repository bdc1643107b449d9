"""Jobs, locks and workers, as they are now."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from relay.store.transactions import Transactions, every

MOST_FAILED = 20
MOST_RUNNING = 100


class JobRow(msgspec.Struct, frozen=True, kw_only=True):
    """A job; `status` is `doing` or `failed`, `at` when that began, `lock` None if it has none.

    Its arguments are ids. `worker_id` is None where its worker is gone.
    """

    job_id: int
    task: str
    status: str
    lock: str | None
    arguments: Mapping[str, Any]
    worker_id: int | None
    at: datetime | None


class WorkerRow(msgspec.Struct, frozen=True, kw_only=True):
    """A worker, and how many jobs it is at."""

    worker_id: int
    last_heartbeat: datetime
    is_alive: bool
    doing: int


class PeriodicRow(msgspec.Struct, frozen=True, kw_only=True):
    """A periodic task, and when it is due again."""

    name: str
    due_at: datetime


class QueuePages(Transactions):
    """The queue for the dashboard."""

    def jobs(self) -> list[JobRow]:
        """The jobs that workers are at, and the newest that failed for good."""
        with self._statement() as connection:
            return every(connection, JobRow, _JOBS, (MOST_RUNNING, MOST_FAILED))

    def workers(self, *, silent_after: timedelta) -> list[WorkerRow]:
        """The workers; one is alive until it is silent for so long."""
        with self._statement() as connection:
            return every(connection, WorkerRow, _WORKERS, (silent_after,))

    def periodic(self) -> list[PeriodicRow]:
        """The periodic tasks."""
        with self._statement() as connection:
            query = "SELECT name, due_at FROM relay.periodic_tasks ORDER BY due_at"
            return every(connection, PeriodicRow, query)


_JOBS = """
SELECT id AS job_id, task_name AS task, status::text, lock, args AS arguments, worker_id,
       (SELECT max(at) FROM procrastinate_events WHERE job_id = jobs.id) AS at
FROM (
    (SELECT * FROM procrastinate_jobs WHERE status = 'doing' ORDER BY id LIMIT %s)
    UNION ALL
    (SELECT * FROM procrastinate_jobs WHERE status = 'failed' ORDER BY id DESC LIMIT %s)
) AS jobs
"""
_WORKERS = """
SELECT id AS worker_id, last_heartbeat, last_heartbeat > now() - %s AS is_alive, (
    SELECT count(*) FROM procrastinate_jobs WHERE status = 'doing' AND worker_id = workers.id
) AS doing
FROM procrastinate_workers AS workers ORDER BY last_heartbeat DESC LIMIT 100
"""
