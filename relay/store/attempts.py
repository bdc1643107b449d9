"""Attempts to start a sync run, from before the POST until Census has returned the run's id.

An attempt and the run it starts are one row of relay.sync_runs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

import psycopg

from relay.store import jobs
from relay.store.holds import Hold, blocking_hold_on
from relay.store.results import Found, NotFound, NotStarted, Refused, Result, Started, Unconfirmed
from relay.store.sync_runs import End, record_end
from relay.store.tallies import TRIGGER_BUCKETS, Tally, add_tallies, count, observe
from relay.store.transactions import Connection, Transactions, one
from relay.store.triggers import Causes, Which, assign, causes_of, lock_waiting, requeue_triggers
from relay.sync_runs import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """An attempt to start a sync run, which Census has not confirmed.

    `sent_at` is None while no POST can be in flight. It also serves as an optimistic lock: if it
    has changed, another worker has updated the attempt. `reconcile_after` is when a POST without a
    response counts as timed out. `failures` is the number of failed tries so far, `backoff_spent`
    the total backoff between them in seconds.
    """

    attempt_id: int
    workspace: str
    sync_id: int
    full_sync: bool
    begun_at: datetime
    sent_at: datetime | None
    reconcile_after: datetime
    failures: int
    backoff_spent: float


class Attempts(Transactions):
    """The open attempts, at most one per sync."""

    def unfinished(self, workspace: str, sync_id: int) -> Attempt | None:
        """The sync's attempt that has neither ended nor started a run, or None."""
        with self._statement() as connection:
            return one(
                connection,
                Attempt,
                f"SELECT {_COLUMNS} FROM relay.sync_runs WHERE (workspace, sync_id) = (%s, %s)"
                " AND sync_run_id IS NULL AND ended_at IS NULL",
                (workspace, sync_id),
            )

    def begin(
        self, workspace: str, sync_id: int, *, now: datetime, reconcile_after: datetime
    ) -> Attempt | Hold | None:
        """Create one attempt, about to be sent, for all waiting triggers; None if none waits.

        None also if another worker has just begun one: its end starts the triggers that still wait.
        A hold is returned if the sync is held, and nothing is changed. A hold that is recorded
        later waits until the attempt is. Triggers that a dry run has added are left out.
        """
        key = (workspace, sync_id)
        with self._transaction() as connection:
            if (hold := blocking_hold_on(connection, *key, now)) is not None:
                return hold
            waiting = lock_waiting(connection, *key, now=now, which=Which.LIVE)
            if not waiting.trigger_ids:
                return None
            begun = (*key, waiting.full_sync, now, now, reconcile_after)
            attempt = one(connection, Attempt, _BEGIN, begun)
            if attempt is not None:
                assign(connection, attempt.attempt_id, waiting)
            return attempt

    def send_again(
        self, attempt: Attempt, *, now: datetime, reconcile_after: datetime
    ) -> Attempt | None:
        """Record that the attempt's POST is about to be sent once more.

        None if another worker has claimed it, or has updated it since it was read; also if the sync
        is held: the attempt is then withdrawn.
        """
        arguments = (now, reconcile_after, attempt.attempt_id, attempt.sent_at)
        with self._transaction() as connection:
            if blocking_hold_on(connection, attempt.workspace, attempt.sync_id, now) is not None:
                _withdraw(connection, attempt)
                return None
            return one(connection, Attempt, _SEND_AGAIN, arguments)

    def causes(self, attempt: Attempt) -> Causes:
        """The triggers that the attempt was made for."""
        with self._statement() as connection:
            return causes_of(connection, attempt.attempt_id)

    def withdraw(self, attempt: Attempt) -> None:
        """Remove an attempt that has started no run; its triggers wait again, with their job."""
        with self._transaction() as connection:
            _withdraw(connection, attempt)

    @contextmanager
    def claim(self, attempt: Attempt) -> Iterator["ClaimedAttempt | None"]:
        """Claim the attempt for a call to Census and the recording of its result, in a transaction.

        The database releases the claim only when this process dies: a slow worker that was
        considered dead cannot send what another one is sending. None if another worker has claimed
        it, or has updated it since it was read.
        """
        with self._transaction() as connection:
            arguments = (attempt.attempt_id, attempt.sent_at)
            if connection.execute(_LOCK_UNCHANGED, arguments).fetchone() is None:
                yield None
            else:
                causes = causes_of(connection, attempt.attempt_id)
                yield ClaimedAttempt(connection, attempt, causes)


class ClaimedAttempt:
    """An attempt that no other worker can change until the claiming transaction ends."""

    def __init__(self, connection: Connection, attempt: Attempt, causes: Causes) -> None:
        self._connection = connection
        self.attempt = attempt
        self.causes = causes

    def known_sync_run_ids(self) -> frozenset[int]:
        """The sync runs of its sync that relay itself has started."""
        rows = self._connection.execute(
            """
            SELECT sync_run_id FROM relay.sync_runs
            WHERE (workspace, sync_id) = (%s, %s) AND sync_run_id IS NOT NULL
            ORDER BY attempt_id DESC LIMIT 100
            """,
            (self.attempt.workspace, self.attempt.sync_id),
        )
        return frozenset(sync_run_id for (sync_run_id,) in rows)

    def record(self, result: Result) -> None:
        """Record the result of the call, with the job for the next step."""
        match result:
            case Found() | Started():
                with self._connection.pipeline():  # one round trip
                    self._record_started(result)
                    add_tallies(self._connection, self._tallies(result))
                return
            case NotStarted():
                self._record_retried(result, sent_at=None)
            case Unconfirmed():
                self._record_retried(result, sent_at=self.attempt.sent_at)
            case Refused():
                self._record_refused(result)
            case NotFound():
                return  # `send_again` records the next POST before it is sent
        add_tallies(self._connection, self._tallies(result))

    def _record_refused(self, refused: Refused) -> None:
        """Record the end; without the problem text if PostgreSQL rejects that.

        An attempt whose end is not recorded would be sent again.
        """
        end = End(
            outcome=Outcome.REFUSED,
            at=refused.at,
            problem=refused.problem,
            http_status=refused.http_status,
        )
        try:
            with self._connection.transaction():
                record_end(self._connection, self.attempt.attempt_id, end)
        except psycopg.OperationalError:
            raise
        except psycopg.Error as exc:
            problem = f"no run was started; the cause could not be recorded ({type(exc).__name__})"
            end = replace(end, problem=problem)
            record_end(self._connection, self.attempt.attempt_id, end)

    def _record_started(self, started: Started) -> None:
        attempt_id = self.attempt.attempt_id
        self._connection.execute(
            """
            UPDATE relay.sync_runs
            SET sync_run_id = %s, triggered_at = %s, reconcile_after = NULL, problem = NULL,
                failures = 0, backoff_spent = 0, recovered = %s
            WHERE attempt_id = %s
            """,
            (started.sync_run_id, started.at, isinstance(started, Found), attempt_id),
        )
        jobs.poll_sync_run(self._connection, attempt_id, polls=0, at=started.poll_at)

    def _record_retried(
        self, retried: NotStarted | Unconfirmed, *, sent_at: datetime | None
    ) -> None:
        attempt, again_at = self.attempt, retried.again_at
        self._connection.execute(
            """
            UPDATE relay.sync_runs
            SET sent_at = %s, reconcile_after = %s, problem = %s, failures = failures + 1,
                backoff_spent = backoff_spent + %s
            WHERE attempt_id = %s
            """,
            (
                sent_at,
                again_at,
                retried.problem,
                retried.backoff.total_seconds(),
                attempt.attempt_id,
            ),
        )
        jobs.schedule_start(self._connection, attempt.workspace, attempt.sync_id, again_at)

    def _tallies(self, result: Result) -> Iterator[Tally]:
        yield count("relay_triggers_total", result=_result_name(result))
        if isinstance(result, Started):
            for since in self.causes.sendable_since:
                seconds = max((result.at - since).total_seconds(), 0.0)
                yield from observe("relay_trigger_delay_seconds", seconds, TRIGGER_BUCKETS)


def _result_name(result: Result) -> str:
    match result:
        case Found():
            return "recovered"
        case Started():
            return "triggered"
        case Refused(http_status=None):
            return "given_up"
        case Refused():
            return "refused"
        case _:
            return "retried"


def _withdraw(connection: Connection, attempt: Attempt) -> None:
    unchanged = (attempt.attempt_id, attempt.sent_at)
    if connection.execute(_LOCK_UNCHANGED, unchanged).fetchone() is None:
        return
    requeue_triggers(connection, attempt.attempt_id)
    connection.execute("DELETE FROM relay.sync_runs WHERE attempt_id = %s", (attempt.attempt_id,))
    jobs.start_sync_run(connection, attempt.workspace, attempt.sync_id)


_COLUMNS = (
    "attempt_id, workspace, sync_id, full_sync, begun_at, sent_at, reconcile_after, failures,"
    " backoff_spent"
)
_BEGIN = f"""
INSERT INTO relay.sync_runs (workspace, sync_id, full_sync, begun_at, sent_at, reconcile_after)
VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (workspace, sync_id) WHERE ended_at IS NULL DO NOTHING
RETURNING {_COLUMNS}
"""
# Unchanged since it was read: each send sets a new `sent_at`.
_LOCK_UNCHANGED = """
SELECT attempt_id FROM relay.sync_runs
WHERE attempt_id = %s AND sent_at IS NOT DISTINCT FROM %s
  AND sync_run_id IS NULL AND ended_at IS NULL
FOR UPDATE SKIP LOCKED
"""
_SEND_AGAIN = f"""
UPDATE relay.sync_runs SET sent_at = %s, reconcile_after = %s
WHERE attempt_id IN ({_LOCK_UNCHANGED}) RETURNING {_COLUMNS}
"""
