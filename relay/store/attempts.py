"""A sync's triggers, and the attempts to start a sync run for them, until Census told its id."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from relay.store import jobs
from relay.store.transactions import Connection, Transactions, every, one
from relay.sync_runs import Outcome, SyncRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """An attempt to start a sync run, and the run it started.

    `sent_at` is None while surely no POST is under way; `look_from` is when one whose answer
    never came has had its time. `faults` counts the tries in vain so far, then the latest looks in
    vain; `paused` are the seconds between those tries. `sync_run_id` is None until Census told it.
    """

    attempt_id: int
    workspace: str
    sync_id: int
    full_sync: bool
    begun_at: datetime
    sent_at: datetime | None
    look_from: datetime | None
    faults: int
    paused: float
    sync_run_id: int | None
    triggered_at: datetime | None
    looks: int
    status: str | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """A trigger as it was requested: which dbt run, and which of its rebuilt models.

    `through` has the views among them, and what was rebuilt behind each. Without a dbt run a
    person asked for it.
    """

    dbt_run_id: int | None
    because: list[str]
    through: dict[str, list[str]]
    requested_at: datetime


@dataclass(frozen=True, slots=True)
class Waiting:
    """Triggers that wait: since when the oldest does, and how the sync's latest attempt ended.

    `after` is None if there was none, or it has not ended.
    """

    since: datetime
    after: str | None


class Attempts(Transactions):
    """What each sync waits for, and who is at work on it."""

    def open(self, workspace: str, sync_id: int) -> Attempt | None:
        """The sync's attempt or sync run that has not ended; None if there is none."""
        with self._statement() as connection:
            return one(
                connection,
                Attempt,
                f"{ATTEMPT} WHERE (workspace, sync_id) = (%s, %s) AND ended_at IS NULL",
                (workspace, sync_id),
            )

    def is_open(self, attempt: Attempt) -> bool:
        """Whether it has still not ended, also by a transaction that is under way."""
        with self._statement() as connection:
            rows = connection.execute(
                "SELECT FROM relay.sync_runs WHERE attempt_id = %s AND ended_at IS NULL FOR SHARE",
                (attempt.attempt_id,),
            )
            return rows.rowcount > 0

    def waiting(self, workspace: str, sync_id: int, *, now: datetime) -> Waiting | None:
        """The triggers that are due and wait for this sync; None if none does."""
        with self._statement() as connection:
            return one(connection, Waiting, _WAITING, (workspace, sync_id, now))

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
                f"RETURNING {_COLUMNS}",
                (*key, full_sync, now, now, look_from),
            )
            assert attempt is not None
            connection.execute(
                "UPDATE relay.triggers SET attempt_id = %s WHERE trigger_id = ANY(%s)",
                (attempt.attempt_id, [trigger_id for trigger_id, _ in waiting]),
            )
            return attempt

    def send_again(self, attempt: Attempt, *, now: datetime, look_from: datetime) -> Attempt | None:
        """Note that the attempt's POST is about to be sent once more.

        None if another worker is at it, or has been since the attempt was read.
        """
        with self._statement() as connection:
            return one(
                connection,
                Attempt,
                "UPDATE relay.sync_runs SET sent_at = %s, look_from = %s"
                f" WHERE attempt_id IN ({_FREE} FOR UPDATE SKIP LOCKED) RETURNING {_COLUMNS}",
                (now, look_from, attempt.attempt_id, attempt.sent_at),
            )

    @contextmanager
    def hold(self, attempt: Attempt) -> Iterator["Held | None"]:
        """Hold the attempt for a call to Census and the record of what came of it, in one.

        The database lets go of it when this process dies, and not before: a worker that was taken
        for dead and is only slow cannot send what another one has begun to send. None if another
        worker holds it, or has moved it on since it was read.
        """
        with self._transaction() as connection:
            row = connection.execute(
                f"{_FREE} FOR UPDATE SKIP LOCKED", (attempt.attempt_id, attempt.sent_at)
            ).fetchone()
            yield Held(connection, attempt) if row else None

    def come_back(self, workspace: str, sync_id: int, *, at: datetime) -> None:
        """Look at what waits for the sync again at `at`."""
        with self._statement() as connection:
            jobs.wake_sync(connection, workspace, sync_id, at)

    def wake(self, workspace: str, sync_id: int) -> None:
        """Look at what waits for the sync now."""
        with self._statement() as connection:
            jobs.run_sync(connection, workspace, sync_id)


class Held:
    """An attempt that nobody else can touch, until the transaction ends that holds it."""

    def __init__(self, connection: Connection, attempt: Attempt) -> None:
        self._connection = connection
        self.attempt = attempt

    @property
    def causes(self) -> tuple[Cause, ...]:
        """The triggers it answers, the newest dbt run last."""
        return causes_of(self._connection, self.attempt.attempt_id)

    @property
    def known_sync_run_ids(self) -> frozenset[int]:
        """The sync runs of its sync that relay has started itself."""
        rows = self._connection.execute(
            """
            SELECT sync_run_id FROM relay.sync_runs
            WHERE (workspace, sync_id) = (%s, %s) AND sync_run_id IS NOT NULL
            ORDER BY attempt_id DESC LIMIT 100
            """,
            (self.attempt.workspace, self.attempt.sync_id),
        )
        return frozenset(sync_run_id for (sync_run_id,) in rows)

    def look_before_sending(self, *, now: datetime, pause: timedelta, problem: str) -> None:
        """The POST may have started a run: come back after a pause and look for it."""
        self._come_back(now + pause, pause, problem, sent_at=self.attempt.sent_at)

    def send_later(self, *, now: datetime, pause: timedelta, problem: str) -> None:
        """The POST surely started nothing: come back after a pause and send it."""
        self._come_back(now + pause, pause, problem, sent_at=None)

    def record_triggered(self, sync_run_id: int, *, now: datetime, look_at: datetime) -> None:
        """Record the run that Census started, and look at it at `look_at`."""
        self._connection.execute(
            """
            UPDATE relay.sync_runs
            SET sync_run_id = %s, triggered_at = %s, look_from = NULL, problem = NULL, faults = 0
            WHERE attempt_id = %s
            """,
            (sync_run_id, now, self.attempt.attempt_id),
        )
        jobs.look_at_sync_run(self._connection, self.attempt.attempt_id, looks=0, at=look_at)

    def record_refused(self, *, now: datetime, problem: str) -> None:
        """Record that Census will not start a run; triggers that came meanwhile go on."""
        end(self._connection, self.attempt, Outcome.REFUSED, now=now, problem=problem)

    def _come_back(
        self, at: datetime, pause: timedelta, problem: str, *, sent_at: datetime | None
    ) -> None:
        attempt = self.attempt
        self._connection.execute(
            """
            UPDATE relay.sync_runs
            SET sent_at = %s, look_from = %s, problem = %s, faults = faults + 1,
                paused = paused + %s
            WHERE attempt_id = %s
            """,
            (sent_at, at, problem, pause.total_seconds(), attempt.attempt_id),
        )
        jobs.wake_sync(self._connection, attempt.workspace, attempt.sync_id, at)


_COLUMNS = (
    "attempt_id, workspace, sync_id, full_sync, begun_at, sent_at, look_from, faults, paused,"
    " sync_run_id, triggered_at, looks, status, ended_at"
)
ATTEMPT = f"SELECT {_COLUMNS} FROM relay.sync_runs"
_WAITING = """
SELECT min(due_at) AS since, (
    SELECT outcome FROM relay.sync_runs
    WHERE (workspace, sync_id) = (triggers.workspace, triggers.sync_id)
    ORDER BY attempt_id DESC LIMIT 1) AS after
FROM relay.triggers
WHERE (workspace, sync_id) = (%s, %s) AND attempt_id IS NULL AND due_at <= %s
GROUP BY workspace, sync_id
"""
# Still as it was read: who has sent it since has left another time.
_FREE = """
SELECT attempt_id FROM relay.sync_runs
WHERE attempt_id = %s AND sent_at IS NOT DISTINCT FROM %s
  AND sync_run_id IS NULL AND ended_at IS NULL
"""
_CAUSES = """
SELECT dbt_run_id, because, through, requested_at FROM relay.triggers
WHERE attempt_id = %s ORDER BY requested_at, dbt_run_id
"""


def causes_of(connection: Connection, attempt_id: int) -> tuple[Cause, ...]:
    """The triggers an attempt answers, the newest dbt run last."""
    return tuple(every(connection, Cause, _CAUSES, (attempt_id,)))


def end(
    connection: Connection,
    attempt: Attempt,
    outcome: Outcome,
    *,
    now: datetime,
    run: SyncRun | None = None,
    problem: str | None = None,
) -> bool:
    """Record an end, and have what waits for the sync go on. False if it had ended.

    A run that was skipped did nothing: its triggers wait again.
    """
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
    if outcome is Outcome.SKIPPED:
        connection.execute(
            "UPDATE relay.triggers SET attempt_id = NULL WHERE attempt_id = %s",
            (attempt.attempt_id,),
        )
    if _something_waits(connection, attempt):
        jobs.run_sync(connection, attempt.workspace, attempt.sync_id)
    return True


def _something_waits(connection: Connection, attempt: Attempt) -> bool:
    """A trigger that comes in this moment has a job of its own, which `is_open` holds up."""
    rows = connection.execute(
        """
        SELECT FROM relay.triggers
        WHERE (workspace, sync_id) = (%s, %s) AND attempt_id IS NULL LIMIT 1
        """,
        (attempt.workspace, attempt.sync_id),
    )
    return rows.rowcount > 0
