"""Sync runs from when Census told their id until their end."""

from datetime import datetime

from relay.store import jobs
from relay.store.attempts import ATTEMPT, Attempt, Cause, causes_of, end
from relay.store.transactions import Transactions, one
from relay.sync_runs import Outcome, SyncRun


class Following(Transactions):
    """The sync runs that are followed."""

    def get(self, attempt_id: int) -> Attempt | None:
        """The run of an attempt, by the attempt's id; None if there is none."""
        with self._statement() as connection:
            return one(connection, Attempt, f"{ATTEMPT} WHERE attempt_id = %s", (attempt_id,))

    def causes(self, attempt_id: int) -> tuple[Cause, ...]:
        """The triggers it answers, the newest dbt run last."""
        with self._statement() as connection:
            return causes_of(connection, attempt_id)

    def look_again(self, attempt: Attempt, status: str | None, *, at: datetime) -> None:
        """Note what Census said and look again at `at`, unless another look was faster.

        `status` is None where it said nothing.
        """
        with self._statement() as connection:
            connection.execute(
                _LOOK_AGAIN,
                {
                    "attempt_id": attempt.attempt_id,
                    "looks": attempt.looks,
                    "status": status,
                    "queue": jobs.QUEUE,
                    "task": jobs.LOOK_AT_SYNC_RUN,
                    "at": at,
                },
            )

    def record_end(
        self, attempt: Attempt, run: SyncRun, outcome: Outcome, *, now: datetime
    ) -> bool:
        """Record how a run ended; what waits for the sync goes on. False if that was known."""
        with self._transaction() as connection:
            return end(connection, attempt, outcome, now=now, run=run, problem=run.error_message)

    def record_abandoned(self, attempt: Attempt, *, now: datetime, problem: str) -> bool:
        """Record that a run is followed no longer. False if it had ended."""
        with self._transaction() as connection:
            return end(connection, attempt, Outcome.ABANDONED, now=now, problem=problem)


# What is done every few seconds for every sync run there is: one round trip.
_LOOK_AGAIN = f"""
WITH looked AS (
    UPDATE relay.sync_runs
    SET looks = looks + 1, status = coalesce(%(status)s::text, status),
        faults = CASE WHEN %(status)s::text IS NULL THEN faults + 1 ELSE 0 END
    WHERE attempt_id = %(attempt_id)s AND looks = %(looks)s AND ended_at IS NULL
    RETURNING attempt_id, looks
)
SELECT {jobs.DEFER_ALL} FROM (
    SELECT ROW(
        %(queue)s, %(task)s, 0, NULL, NULL,
        jsonb_build_object('attempt_id', attempt_id, 'looks', looks), %(at)s::timestamptz
    ){jobs.AS_A_JOB}
    FROM looked
) AS jobs
HAVING count(*) > 0
"""
