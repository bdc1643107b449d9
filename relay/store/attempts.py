"""A sync's triggers, the attempts to start a sync run for them, and the runs they started."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from procrastinate.types import JSONDict

from relay import queue
from relay.store.transactions import Connection, Transactions, every, one
from relay.sync_runs import Outcome, SyncRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """An attempt to start a sync run, and the run it started.

    `sent_at` is None while surely no POST is under way; `look_from` is when one whose answer
    never came has had its time. `sync_run_id` is None until Census told it.
    """

    attempt_id: int
    workspace: str
    sync_id: int
    full_sync: bool
    begun_at: datetime
    sent_at: datetime | None
    look_from: datetime | None
    sync_run_id: int | None
    triggered_at: datetime | None
    looks: int
    status: str | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """A trigger as it was requested: which dbt run, and which of its rebuilt models.

    `through` has the views among them, and what was rebuilt behind each.
    """

    dbt_run_id: int
    because: list[str]
    through: dict[str, list[str]]
    requested_at: datetime


class Attempts(Transactions):
    """What each sync waits for, and the sync runs that were started for it."""

    # Until Census told a sync run id

    def open(self, workspace: str, sync_id: int) -> Attempt | None:
        """The sync's attempt or sync run that has not ended; None if there is none."""
        with self._transaction() as connection:
            return one(
                connection,
                Attempt,
                f"{_ATTEMPT} WHERE (workspace, sync_id) = (%s, %s) AND ended_at IS NULL",
                (workspace, sync_id),
            )

    def get(self, attempt_id: int) -> Attempt | None:
        """An attempt by its id; None if there is none."""
        with self._transaction() as connection:
            return one(connection, Attempt, f"{_ATTEMPT} WHERE attempt_id = %s", (attempt_id,))

    def last_outcome(self, workspace: str, sync_id: int) -> Outcome | None:
        """How the sync's latest attempt ended; None if it has not, or there was none."""
        with self._transaction() as connection:
            row = connection.execute(
                """
                SELECT outcome FROM relay.sync_runs WHERE (workspace, sync_id) = (%s, %s)
                ORDER BY attempt_id DESC LIMIT 1
                """,
                (workspace, sync_id),
            ).fetchone()
            return Outcome(row[0]) if row and row[0] else None

    def waiting_since(self, workspace: str, sync_id: int, *, now: datetime) -> datetime | None:
        """Since when the oldest trigger that is due waits for this sync; None if none does."""
        with self._transaction() as connection:
            row = connection.execute(
                """
                SELECT min(due_at) FROM relay.triggers
                WHERE (workspace, sync_id) = (%s, %s) AND attempt_id IS NULL AND due_at <= %s
                """,
                (workspace, sync_id, now),
            ).fetchone()
            return row[0] if row else None

    def begin(
        self, workspace: str, sync_id: int, *, now: datetime, look_from: datetime
    ) -> Attempt | None:
        """Make one attempt, about to be sent, of all that waits for the sync; None if none does."""
        key = (workspace, sync_id)
        with self._transaction() as connection:
            waiting = connection.execute(
                """
                SELECT trigger_id, full_sync FROM relay.triggers
                WHERE (workspace, sync_id) = (%s, %s) AND attempt_id IS NULL AND due_at <= %s
                FOR UPDATE
                """,
                (*key, now),
            ).fetchall()
            if not waiting:
                return None
            full_sync = any(full for _, full in waiting)
            attempt = one(
                connection,
                Attempt,
                """
                INSERT INTO relay.sync_runs
                    (workspace, sync_id, full_sync, begun_at, sent_at, look_from)
                VALUES (%s, %s, %s, %s, %s, %s)
                """
                f"RETURNING {_ATTEMPT_COLUMNS}",
                (*key, full_sync, now, now, look_from),
            )
            assert attempt is not None
            connection.execute(
                "UPDATE relay.triggers SET attempt_id = %s WHERE trigger_id = ANY(%s)",
                (attempt.attempt_id, [trigger_id for trigger_id, _ in waiting]),
            )
            return attempt

    def send_again(self, attempt: Attempt, *, now: datetime, look_from: datetime) -> None:
        """Note that the attempt's POST is about to be sent once more."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE relay.sync_runs SET sent_at = %s, look_from = %s WHERE attempt_id = %s",
                (now, look_from, attempt.attempt_id),
            )

    def look_before_sending(self, attempt: Attempt, *, at: datetime, problem: str) -> None:
        """The POST may have started a run: come back at `at` and look for it."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE relay.sync_runs SET look_from = %s, problem = %s WHERE attempt_id = %s",
                (at, problem, attempt.attempt_id),
            )
            wake_sync(connection, attempt.workspace, attempt.sync_id, at)

    def send_later(self, attempt: Attempt, *, at: datetime, problem: str) -> None:
        """The POST surely started nothing: come back at `at` and send it."""
        with self._transaction() as connection:
            connection.execute(
                """
                UPDATE relay.sync_runs SET sent_at = NULL, look_from = NULL, problem = %s
                WHERE attempt_id = %s
                """,
                (problem, attempt.attempt_id),
            )
            wake_sync(connection, attempt.workspace, attempt.sync_id, at)

    def come_back(self, workspace: str, sync_id: int, *, at: datetime) -> None:
        """Look at what waits for the sync again at `at`."""
        with self._transaction() as connection:
            wake_sync(connection, workspace, sync_id, at)

    def wake(self, workspace: str, sync_id: int) -> None:
        """Look at what waits for the sync now."""
        with self._transaction() as connection:
            run_sync(connection, workspace, sync_id)

    def record_triggered(
        self, attempt: Attempt, sync_run_id: int, *, now: datetime, look_at: datetime
    ) -> bool:
        """Record the run that Census started, and look at it at `look_at`.

        False if it is recorded already.
        """
        with self._transaction() as connection:
            updated = connection.execute(
                """
                UPDATE relay.sync_runs
                SET sync_run_id = %s, triggered_at = %s, look_from = NULL, problem = NULL
                WHERE attempt_id = %s AND sync_run_id IS NULL AND ended_at IS NULL
                """,
                (sync_run_id, now, attempt.attempt_id),
            )
            if updated.rowcount == 0:
                return False
            _look(connection, attempt.attempt_id, 0, look_at)
            return True

    def record_refused(self, attempt: Attempt, *, now: datetime, problem: str) -> None:
        """Record that Census will not start a run; triggers that came meanwhile go on."""
        with self._transaction() as connection:
            _end(connection, attempt, Outcome.REFUSED, now=now, problem=problem)

    def known_sync_run_ids(self, workspace: str, sync_id: int) -> frozenset[int]:
        """The sync runs of this sync that relay has started itself."""
        with self._transaction() as connection:
            rows = connection.execute(
                """
                SELECT sync_run_id FROM relay.sync_runs
                WHERE (workspace, sync_id) = (%s, %s) AND sync_run_id IS NOT NULL
                ORDER BY attempt_id DESC LIMIT 100
                """,
                (workspace, sync_id),
            )
            return frozenset(sync_run_id for (sync_run_id,) in rows)

    def causes(self, attempt_id: int) -> tuple[Cause, ...]:
        """The triggers an attempt answers, the newest dbt run last."""
        with self._transaction() as connection:
            return tuple(every(connection, Cause, _CAUSES, (attempt_id,)))

    # From there until the run's end

    def look_again(self, attempt: Attempt, status: str | None, *, at: datetime) -> bool:
        """Note what Census said and look again at `at`. False if another look was faster.

        `status` is None where it said nothing.
        """
        with self._transaction() as connection:
            updated = connection.execute(
                """
                UPDATE relay.sync_runs SET looks = looks + 1, status = coalesce(%s, status)
                WHERE attempt_id = %s AND looks = %s AND ended_at IS NULL
                """,
                (status, attempt.attempt_id, attempt.looks),
            )
            if updated.rowcount == 0:
                return False
            _look(connection, attempt.attempt_id, attempt.looks + 1, at)
            return True

    def record_end(
        self, attempt: Attempt, run: SyncRun, outcome: Outcome, *, now: datetime
    ) -> bool:
        """Record how a run ended; what waits for the sync goes on. False if that was known."""
        with self._transaction() as connection:
            return _end(connection, attempt, outcome, now=now, run=run, problem=run.error_message)

    def record_abandoned(self, attempt: Attempt, *, now: datetime, problem: str) -> bool:
        """Record that a run is followed no longer. False if it had ended."""
        with self._transaction() as connection:
            return _end(connection, attempt, Outcome.ABANDONED, now=now, problem=problem)

    def record_skipped(
        self, attempt: Attempt, run: SyncRun, *, now: datetime, at: datetime
    ) -> bool:
        """Record that a run did nothing, and let its triggers wait again until `at`."""
        with self._transaction() as connection:
            ended = _end(connection, attempt, Outcome.SKIPPED, now=now, run=run)
            if ended:
                connection.execute(
                    "UPDATE relay.triggers SET attempt_id = NULL WHERE attempt_id = %s",
                    (attempt.attempt_id,),
                )
                wake_sync(connection, attempt.workspace, attempt.sync_id, at)
            return ended


_ATTEMPT_COLUMNS = (
    "attempt_id, workspace, sync_id, full_sync, begun_at, sent_at, look_from, sync_run_id,"
    " triggered_at, looks, status, ended_at"
)
_CAUSES = """
SELECT dbt_run_id, because, through, requested_at FROM relay.triggers
WHERE attempt_id = %s ORDER BY requested_at, dbt_run_id
"""
_ATTEMPT = f"SELECT {_ATTEMPT_COLUMNS} FROM relay.sync_runs"


def _end(
    connection: Connection,
    attempt: Attempt,
    outcome: Outcome,
    *,
    now: datetime,
    run: SyncRun | None = None,
    problem: str | None = None,
) -> bool:
    updated = connection.execute(
        """
        UPDATE relay.sync_runs
        SET ended_at = %s, outcome = %s, problem = %s, status = coalesce(%s, status),
            records_processed = %s, records_updated = %s, records_failed = %s,
            records_invalid = %s
        WHERE attempt_id = %s AND ended_at IS NULL
        """,
        (
            *(now, outcome, problem, run and run.status),
            *(run and run.records_processed, run and run.records_updated),
            *(run and run.records_failed, run and run.records_invalid),
            attempt.attempt_id,
        ),
    )
    if updated.rowcount == 0:
        return False
    if outcome is not Outcome.SKIPPED:
        run_sync(connection, attempt.workspace, attempt.sync_id)
    return True


def run_sync(connection: Connection, workspace: str, sync_id: int) -> None:
    """Put the job that starts what waits for a sync into the connection's transaction."""
    run_syncs(connection, [(workspace, sync_id)])


def run_syncs(connection: Connection, syncs: Sequence[tuple[str, int]]) -> None:
    """Put such a job for each sync, by workspace and id, into the transaction: in one statement.

    A run of a large project may trigger thousands, and others wait until it is decided.
    """
    workspaces, sync_ids = [each for each, _ in syncs], [each for _, each in syncs]
    if syncs:
        connection.execute(_RUN_SYNCS, (queue.QUEUE, queue.RUN_SYNC, workspaces, sync_ids))


# The engine's own function: its clients call it for a batch of one lock, and here each sync has
# its own, which keeps two workers from starting it at once.
_RUN_SYNCS = """
SELECT procrastinate_defer_jobs_v1(array_agg(
    ROW(
        %s, %s, 0, 'sync/' || workspace || '/' || sync_id, NULL,
        jsonb_build_object('workspace', workspace, 'sync_id', sync_id), NULL
    )::procrastinate_job_to_defer_v1
))
FROM unnest(%s::text[], %s::bigint[]) AS due (workspace, sync_id)
"""


def wake_sync(connection: Connection, workspace: str, sync_id: int, at: datetime) -> None:
    """Put the job that looks at what waits for a sync, at `at`, into the transaction."""
    queue.defer(connection, queue.WAKE_SYNC, {"workspace": workspace, "sync_id": sync_id}, at=at)


def _look(connection: Connection, attempt_id: int, looks: int, at: datetime) -> None:
    arguments: JSONDict = {"attempt_id": attempt_id, "looks": looks}
    queue.defer(connection, queue.LOOK_AT_SYNC_RUN, arguments, at=at)
