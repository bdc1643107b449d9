"""Abandoned jobs: those of a dead worker, and those that a live worker has lost."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, LiteralString

from relay.store.tallies import add_tallies, count
from relay.store.transactions import Connection, Transactions, every


@dataclass(frozen=True, slots=True)
class TakenOver:
    """A job that was requeued."""

    task: str
    arguments: Mapping[str, Any]


class Takeovers(Transactions):
    """Which worker is running which jobs. Worker ids are Procrastinate's."""

    def record_heartbeat(self, worker_ids: Collection[int]) -> None:
        """Record a heartbeat of these workers."""
        with self._statement() as connection:
            connection.execute(
                "UPDATE procrastinate_workers SET last_heartbeat = now() WHERE id = ANY(%s)",
                (list(worker_ids),),
            )

    def take_over(self, *, silent_for: timedelta) -> list[TakenOver]:
        """Requeue the jobs of workers without a heartbeat for `silent_for`.

        Each job goes to one of several concurrent callers. A heartbeat in the future comes from a
        clock that was ahead, and is set to now.
        """
        with self._statement() as connection:  # every second, and mostly there is nothing
            (is_any,) = connection.execute(_IS_ANY, (silent_for,)).fetchone() or (False,)
        if not is_any:
            return []
        with self._transaction() as connection:
            connection.execute(f"UPDATE procrastinate_workers SET last_heartbeat = now() {_AHEAD}")
            return _counted(connection, every(connection, TakenOver, _TAKE_OVER, (silent_for,)))

    def jobs_of(self, worker_ids: Collection[int]) -> frozenset[int]:
        """The ids of the jobs that these workers are running."""
        with self._statement() as connection:
            rows = connection.execute(
                "SELECT id FROM procrastinate_jobs WHERE status = 'doing' AND worker_id = ANY(%s)",
                (list(worker_ids),),
            )
            return frozenset(job_id for (job_id,) in rows)

    def requeue(self, job_ids: Collection[int], worker_ids: Collection[int]) -> list[TakenOver]:
        """Requeue those of the jobs that are still recorded as running on these workers."""
        ids = (list(job_ids), list(worker_ids))
        with self._transaction() as connection:
            return _counted(connection, every(connection, TakenOver, _TAKE_BACK, ids))


def _counted(connection: Connection, taken: list[TakenOver]) -> list[TakenOver]:
    add_tallies(connection, [count("relay_jobs_rescued_total", task=job.task) for job in taken])
    return taken


# As Procrastinate's client does it. Each row is locked before it is checked, so that only one of
# several concurrent workers takes a job, and not from a worker that has taken it since.
_RETRIED: LiteralString = """
SELECT task_name AS task, args AS arguments FROM abandoned
CROSS JOIN LATERAL procrastinate_retry_job_v2(abandoned.id, now(), NULL, NULL, NULL) AS done
"""

_AHEAD: LiteralString = "WHERE last_heartbeat > now() + interval '1 second'"
_ABANDONED: LiteralString = """
FROM procrastinate_jobs AS job
WHERE status = 'doing' AND NOT EXISTS (
    SELECT FROM procrastinate_workers AS worker
    WHERE worker.id = job.worker_id AND worker.last_heartbeat >= now() - %s)
"""
_IS_ANY: LiteralString = f"""
SELECT EXISTS (SELECT {_ABANDONED}) OR EXISTS (SELECT FROM procrastinate_workers {_AHEAD})
"""
_TAKE_OVER: LiteralString = f"""
WITH abandoned AS MATERIALIZED (
    SELECT id, task_name, args {_ABANDONED} FOR UPDATE SKIP LOCKED
) {_RETRIED}
"""

_TAKE_BACK: LiteralString = f"""
WITH abandoned AS MATERIALIZED (
    SELECT id, task_name, args FROM procrastinate_jobs
    WHERE status = 'doing' AND id = ANY(%s) AND worker_id = ANY(%s)
    FOR UPDATE SKIP LOCKED
) {_RETRIED}
"""

# How a worker ends or retries a job, unless it was taken over: `attempts` tells its runs apart.
_OURS: LiteralString = """
WITH ours AS MATERIALIZED (
    SELECT id FROM procrastinate_jobs
    WHERE id = %(job_id)s AND status = 'doing' AND attempts = %(attempts)s FOR UPDATE
)
"""
FINISH: LiteralString = f"""{_OURS}
SELECT procrastinate_finish_job_v1(id, %(status)s, %(delete_job)s) FROM ours
"""
RETRY: LiteralString = f"""{_OURS}
SELECT procrastinate_retry_job_v2(
    id, coalesce(%(retry_at)s, now()), %(priority)s, %(queue)s, %(lock)s) FROM ours
"""
