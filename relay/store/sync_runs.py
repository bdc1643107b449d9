"""Sync runs, from when Census has returned their id until their end."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from relay.decision.mapping import REJECTS_OVER
from relay.store import edge_alerts, jobs
from relay.store.sync_states import COMPLETED, refresh
from relay.store.tallies import LAG_BUCKETS, Tally, add_tallies, count, observe
from relay.store.transactions import Connection, Transactions, every, one
from relay.store.triggers import Causes, causes_of, requeue_triggers, start_waiting_triggers
from relay.sync_runs import Outcome, SyncRun
from relay.workspaces import SyncKey


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowedRun:
    """A sync run that has not ended.

    `polls` is the number of polls, `failures` how many of the last ones had no response.
    `backoff_spent` is the total backoff after unexpected errors among these, in seconds. `status`
    is the last status from Census, None before the first.
    """

    attempt_id: int
    workspace: str
    sync_id: int
    sync_run_id: int
    triggered_at: datetime
    polls: int
    failures: int
    backoff_spent: float
    status: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How an attempt, or the sync run it started, ended.

    `run` is Census's last description of it, None if there is none; `problem` is None on success.
    `rejects_over` is the share of rejected records from which on it is an alert, `http_status`
    that of Census's refusal, None if Census did not refuse.
    """

    outcome: Outcome
    at: datetime
    problem: str | None = None
    run: SyncRun | None = None
    rejects_over: float = REJECTS_OVER
    http_status: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewestRun:
    """The newest run of a sync that relay started, or tried to.

    `sync_run_id` and `status` are None until Census has reported them, `outcome` until the end.
    """

    workspace: str
    sync_id: int
    sync_run_id: int | None
    begun_at: datetime
    status: str | None
    outcome: str | None


class SyncRuns(Transactions):
    """The sync runs that are polled until they end."""

    def newest_of_each_sync(self) -> list[NewestRun]:
        """The newest run of every sync that relay has ever started."""
        with self._statement() as connection:
            return every(connection, NewestRun, _NEWEST_OF_EACH)

    def followed(self, attempt_id: int, *, polls: int) -> FollowedRun | None:
        """The run of an attempt; None if it has ended, or was polled more than `polls` times."""
        with self._statement() as connection:
            return one(connection, FollowedRun, _FOLLOWED, (attempt_id, polls))

    def is_running(self, workspace: str, sync_id: int) -> bool:
        """Whether a sync run of the sync is running, whose end will start the waiting triggers.

        A concurrent transaction that ends the run may have looked for waiting triggers before ours
        was committed: nothing would then start our trigger. FOR SHARE waits for that transaction,
        and then no longer finds the run. A later one sees the trigger, which was committed before
        its job.
        """
        with self._statement() as connection:
            rows = connection.execute(
                """
                SELECT FROM relay.sync_runs
                WHERE (workspace, sync_id) = (%s, %s)
                  AND sync_run_id IS NOT NULL AND ended_at IS NULL
                FOR SHARE
                """,
                (workspace, sync_id),
            )
            return rows.rowcount > 0

    def causes(self, run: FollowedRun) -> Causes:
        """The triggers that the run was started for."""
        with self._statement() as connection:
            return causes_of(connection, run.attempt_id)

    def poll_again(
        self,
        run: FollowedRun,
        status: str | None,
        *,
        at: datetime,
        backoff: timedelta = timedelta(),
    ) -> None:
        """Record the status and schedule the next poll, unless another poll has done so.

        `status` is None if Census did not respond; `backoff` is the pause after an error.
        """
        with self._statement() as connection:
            connection.execute(
                _POLL_AGAIN,
                {
                    "attempt_id": run.attempt_id,
                    "polls": run.polls,
                    "status": status,
                    "backoff": backoff.total_seconds(),
                    "queue": jobs.QUEUE,
                    "task": jobs.POLL_SYNC_RUN,
                    "at": at,
                },
            )

    def record_end(self, run: FollowedRun, end: End) -> bool:
        """Record a run's end and start waiting triggers. False if it had already ended."""
        with self._transaction() as connection:
            return record_end(connection, run.attempt_id, end)


_FOLLOWED = """
SELECT attempt_id, workspace, sync_id, sync_run_id, triggered_at, polls, failures, backoff_spent,
       status
FROM relay.sync_runs
WHERE attempt_id = %s AND polls = %s AND sync_run_id IS NOT NULL AND ended_at IS NULL
"""
# Runs every few seconds for every sync run, so it is one round trip.
_POLL_AGAIN = f"""
WITH polled AS (
    UPDATE relay.sync_runs
    SET polls = polls + 1, status = coalesce(%(status)s::text, status),
        failures = CASE WHEN %(status)s::text IS NULL THEN failures + 1 ELSE 0 END,
        backoff_spent =
            CASE WHEN %(status)s::text IS NULL THEN backoff_spent + %(backoff)s ELSE 0 END
    WHERE attempt_id = %(attempt_id)s AND polls = %(polls)s AND ended_at IS NULL
    RETURNING attempt_id, polls
)
SELECT {jobs.DEFER_ALL} FROM (
    SELECT ROW(
        %(queue)s, %(task)s, 0, NULL, NULL,
        jsonb_build_object('attempt_id', attempt_id, 'polls', polls), %(at)s::timestamptz
    ){jobs.AS_A_JOB}
    FROM polled
) AS jobs
HAVING count(*) > 0
"""
_END = """
UPDATE relay.sync_runs
SET ended_at = %(at)s, outcome = %(outcome)s, problem = %(problem)s,
    status = coalesce(%(status)s, status), records_processed = %(records_processed)s,
    records_updated = %(records_updated)s, records_failed = %(records_failed)s,
    records_invalid = %(records_invalid)s, completed_at = %(completed_at)s,
    error_code = %(error_code)s, lag = %(lag)s
WHERE attempt_id = %(attempt_id)s AND ended_at IS NULL
RETURNING workspace, sync_id
"""


# Of the dbt runs that it answers, without those that an earlier sync run has brought to the tool.
_OLDEST_REBUILD = f"""
SELECT min(coalesce(rebuilt_at, covers_until))
FROM relay.triggers
JOIN relay.decisions USING (workspace, sync_id, dbt_account_id, dbt_run_id)
LEFT JOIN LATERAL (
    SELECT coalesce(sent_at, begun_at) AS reads_from FROM relay.sync_runs AS earlier
    WHERE (earlier.workspace, earlier.sync_id) = (triggers.workspace, triggers.sync_id)
      AND earlier.attempt_id < triggers.attempt_id AND outcome IN {COMPLETED}
    ORDER BY earlier.attempt_id DESC LIMIT 1
) AS last ON true
WHERE attempt_id = %s
  AND (reads_from IS NULL OR reads_from < coalesce(rebuilt_at, covers_until))
  AND NOT EXISTS (
    SELECT FROM relay.triggers AS first JOIN relay.sync_runs AS earlier USING (attempt_id)
    WHERE (first.workspace, first.sync_id, first.dbt_account_id, first.dbt_run_id)
        = (triggers.workspace, triggers.sync_id, triggers.dbt_account_id, triggers.dbt_run_id)
      AND attempt_id < triggers.attempt_id AND outcome IN {COMPLETED})
"""
_NEWEST_OF_EACH = """
SELECT DISTINCT ON (workspace, sync_id)
    workspace, sync_id, sync_run_id, begun_at, status, outcome
FROM relay.sync_runs
ORDER BY workspace, sync_id, attempt_id DESC
"""


def record_end(connection: Connection, attempt_id: int, end: End) -> bool:
    """Record an attempt's end and start waiting triggers. False if it had already ended.

    A skipped run did nothing: its triggers are requeued.
    """
    run = end.run
    lag = _lag(connection, attempt_id, end)
    ended = connection.execute(
        _END,
        {
            "attempt_id": attempt_id,
            "at": end.at,
            "outcome": end.outcome,
            "problem": end.problem,
            "status": run and run.status,
            "records_processed": run and run.records_processed,
            "records_updated": run and run.records_updated,
            "records_failed": run and run.records_failed,
            "records_invalid": run and run.records_invalid,
            "completed_at": run and run.completed_at,
            "error_code": run and run.error_code,
            "lag": lag,
        },
    ).fetchone()
    if ended is None:
        return False
    if end.outcome is Outcome.SKIPPED:
        requeue_triggers(connection, attempt_id)
    start_waiting_triggers(connection, *ended)
    with connection.pipeline():  # one round trip
        refresh(connection, [ended])
        edge_alerts.ended(
            connection,
            ended,
            attempt_id,
            end.outcome,
            end.run,
            rejects_over=end.rejects_over,
            http_status=end.http_status,
            at=end.at,
        )
        add_tallies(connection, _tallies(ended, end, lag))
    return True


def _lag(connection: Connection, attempt_id: int, end: End) -> float | None:
    """The seconds from the end of the oldest dbt run that it brought to the tool until its end.

    None if it did not complete, or only repeats what an earlier sync run brought.
    """
    if end.outcome not in _COMPLETED:
        return None
    completed_at = (end.run and end.run.completed_at) or end.at
    (oldest,) = connection.execute(_OLDEST_REBUILD, (attempt_id,)).fetchone() or (None,)
    return None if oldest is None else max((completed_at - oldest).total_seconds(), 0.0)


def _tallies(sync: SyncKey, end: End, lag: float | None) -> Iterator[Tally]:
    if end.outcome in _OF_SYNC_RUNS:
        yield count("relay_sync_runs_total", outcome=end.outcome)
    if lag is not None:
        yield from observe("relay_freshness_lag_seconds", lag, LAG_BUCKETS)
    if end.run is not None and end.outcome is not Outcome.SKIPPED:
        workspace, sync_id = sync
        records = {
            "updated": end.run.records_updated,
            "rejected": end.run.records_failed,
            "invalid": end.run.records_invalid,
        }
        for result, number in records.items():
            yield count(
                "relay_sync_records_total",
                number or 0,
                workspace=workspace,
                sync_id=str(sync_id),
                result=result,
            )


_COMPLETED = frozenset({Outcome.COMPLETED, Outcome.COMPLETED_WITH_REJECTS})
# The outcomes of runs that Census started.
_OF_SYNC_RUNS = _COMPLETED | {
    Outcome.FAILED,
    Outcome.CANCELED,
    Outcome.SKIPPED,
    Outcome.ABANDONED,
}
