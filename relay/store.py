"""relay's tables, and the only SQL: each method is one transaction, with the jobs it makes due.

Every method raises DatabaseUnavailable where PostgreSQL does not answer. Times are given.
"""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString, Protocol, TypeVar

import psycopg
from procrastinate.types import JSONDict
from psycopg.rows import class_row

from relay import queue
from relay.dbt_runs import DbtRun
from relay.errors import DatabaseUnavailable
from relay.plan import Plan, Reason
from relay.sync_runs import Outcome, SyncRun

Connection = psycopg.Connection[Any]
Row = TypeVar("Row")


class Connections(Protocol):
    """Where connections come from: a pool, in the worker."""

    def connection(self) -> AbstractContextManager[Connection]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A genuine delivery. Ids are None where the body tells none.

    `ignored_because` is None for one that is about a finished run of our account.
    """

    delivery_id: uuid.UUID
    body: bytes
    event_id: str | None = None
    dbt_account_id: int | None = None
    dbt_run_id: int | None = None
    ignored_because: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRun:
    """A dbt run as recorded. `failing_since`: since when asking the vendor has been failing."""

    dbt_account_id: int
    dbt_run_id: int
    event_id: str | None
    recorded_at: datetime
    failing_since: datetime | None
    planned_at: datetime | None
    given_up_at: datetime | None

    @property
    def is_done(self) -> bool:
        return self.planned_at is not None or self.given_up_at is not None


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
    """A trigger as it was requested: which dbt run, and which of its rebuilt models."""

    dbt_run_id: int
    because: list[str]
    requested_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRow:
    """A delivery and what became of its run: `ignored`, `recorded`, `planned` or `given up`."""

    received_at: datetime
    delivery_id: uuid.UUID
    dbt_run_id: int | None
    became: str
    why: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerRow:
    """A trigger and how far it is: `waiting`, `sending`, `running`, or its run's outcome."""

    requested_at: datetime
    workspace: str
    sync_id: int
    dbt_run_id: int
    sync_run_id: int | None
    state: str
    problem: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncRunRow:
    """A sync run that has not ended, or an attempt to start one."""

    begun_at: datetime
    workspace: str
    sync_id: int
    sync_run_id: int | None
    status: str | None
    looks: int
    problem: str | None


@dataclass(frozen=True, slots=True)
class Overview:
    """What there is to see at a glance, the newest first."""

    deliveries: list[DeliveryRow]
    triggers: list[TriggerRow]
    open_sync_runs: list[SyncRunRow]


def record_deliveries(
    connection: Connection, deliveries: Sequence[Delivery]
) -> frozenset[uuid.UUID]:
    """Record deliveries and the runs they tell of, with a job for each new run, in one commit.

    Returns the ids of those that brought a new run: the others were ignored, or are repeats of
    an event or of a run, also of one in the same batch.
    """
    with connection.transaction():
        rows = connection.execute(
            _RECORD_DELIVERIES,
            (
                [each.delivery_id for each in deliveries],
                [each.event_id for each in deliveries],
                [each.dbt_account_id for each in deliveries],
                [each.dbt_run_id for each in deliveries],
                [each.ignored_because for each in deliveries],
                [each.body for each in deliveries],
            ),
        ).fetchall()
        new_runs: list[JSONDict] = [
            {"dbt_account_id": account, "dbt_run_id": run} for _, account, run in rows
        ]
        queue.defer_each(connection, queue.RELAY_RUN, new_runs)
    return frozenset(delivery_id for delivery_id, _, _ in rows)


_RECORD_DELIVERIES = """
WITH recorded AS (
    INSERT INTO relay.deliveries
        (delivery_id, event_id, dbt_account_id, dbt_run_id, ignored_because, body)
    SELECT * FROM unnest(
        %s::uuid[], %s::text[], %s::bigint[], %s::bigint[], %s::text[], %s::bytea[])
    ON CONFLICT (event_id) WHERE ignored_because IS NULL DO NOTHING
    RETURNING delivery_id, event_id, dbt_account_id, dbt_run_id, ignored_because
)
INSERT INTO relay.dbt_runs (dbt_account_id, dbt_run_id, delivery_id, event_id)
SELECT dbt_account_id, dbt_run_id, delivery_id, event_id FROM recorded
WHERE ignored_because IS NULL
ON CONFLICT DO NOTHING
RETURNING delivery_id, dbt_account_id, dbt_run_id
"""


def last_heartbeat(connection: Connection) -> tuple[datetime, datetime | None]:
    """What time it is in the database, and when a worker last said that it lives; None: never."""
    row = connection.execute(
        "SELECT now(), max(last_heartbeat) FROM procrastinate_workers"
    ).fetchone()
    assert row is not None
    return row[0], row[1]


class Store:
    """What the worker remembers."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    # A dbt run, from its delivery to its plan

    def dbt_run(self, dbt_account_id: int, dbt_run_id: int) -> RecordedRun | None:
        """A recorded dbt run; None if there is none."""
        with self._transaction() as connection:
            return _one(
                connection,
                RecordedRun,
                """
                SELECT dbt_account_id, dbt_run_id, event_id, recorded_at, failing_since,
                       planned_at, given_up_at
                FROM relay.dbt_runs WHERE (dbt_account_id, dbt_run_id) = (%s, %s)
                """,
                (dbt_account_id, dbt_run_id),
            )

    def record_plan(self, run: DbtRun, plan: Plan, *, now: datetime) -> bool:
        """Record what was decided on a run, with a job for every sync to trigger.

        False if another job was faster: then nothing was changed.
        """
        key = (run.dbt_account_id, run.dbt_run_id)
        with self._transaction() as connection:
            updated = connection.execute(
                """
                UPDATE relay.dbt_runs
                SET planned_at = %s, dbt_job_id = %s, environment_id = %s, problem = NULL
                WHERE (dbt_account_id, dbt_run_id) = (%s, %s)
                  AND planned_at IS NULL AND given_up_at IS NULL
                """,
                (now, run.dbt_job_id, run.environment_id, *key),
            )
            if updated.rowcount == 0:
                return False
            connection.cursor().executemany(
                "INSERT INTO relay.decisions VALUES (%s, %s, %s, %s, %s, %s, %s)",
                [(*sync, *key, reason, models, now) for sync, reason, models in _decisions(plan)],
            )
            for trigger in plan.triggers:
                sync = trigger.sync
                connection.execute(
                    """
                    INSERT INTO relay.triggers (workspace, sync_id, dbt_account_id, dbt_run_id,
                                                full_sync, because, requested_at)
                    VALUES (%s, %s, %s, %s, %s, %s, %s)
                    """,
                    (
                        sync.workspace,
                        sync.sync_id,
                        *key,
                        sync.full_sync,
                        list(trigger.because),
                        now,
                    ),
                )
                _run_sync(connection, sync.workspace, sync.sync_id)
        return True

    def examine_again(self, run: RecordedRun, *, at: datetime, now: datetime, problem: str) -> None:
        """Note what went wrong and look at the run again at `at`."""
        with self._transaction() as connection:
            connection.execute(
                """
                UPDATE relay.dbt_runs SET problem = %s, failing_since = coalesce(failing_since, %s)
                WHERE (dbt_account_id, dbt_run_id) = (%s, %s)
                """,
                (problem, now, run.dbt_account_id, run.dbt_run_id),
            )
            arguments: JSONDict = {
                "dbt_account_id": run.dbt_account_id,
                "dbt_run_id": run.dbt_run_id,
            }
            queue.defer(connection, queue.RELAY_RUN, arguments, at=at)

    def give_up(self, run: RecordedRun, *, now: datetime, problem: str) -> None:
        """Stop looking at the run: a person may have it looked at again."""
        with self._transaction() as connection:
            connection.execute(
                """
                UPDATE relay.dbt_runs SET problem = %s, given_up_at = %s
                WHERE (dbt_account_id, dbt_run_id) = (%s, %s) AND planned_at IS NULL
                """,
                (problem, now, run.dbt_account_id, run.dbt_run_id),
            )

    # A sync's triggers, until Census told a sync run id

    def open_attempt(self, workspace: str, sync_id: int) -> Attempt | None:
        """The sync's attempt or sync run that has not ended; None if there is none."""
        with self._transaction() as connection:
            return _one(
                connection,
                Attempt,
                f"{_ATTEMPT} WHERE (workspace, sync_id) = (%s, %s) AND ended_at IS NULL",
                (workspace, sync_id),
            )

    def attempt(self, attempt_id: int) -> Attempt | None:
        """An attempt by its id; None if there is none."""
        with self._transaction() as connection:
            return _one(connection, Attempt, f"{_ATTEMPT} WHERE attempt_id = %s", (attempt_id,))

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

    def waiting_since(self, workspace: str, sync_id: int) -> datetime | None:
        """When the oldest trigger that waits for this sync was requested; None if none waits."""
        with self._transaction() as connection:
            row = connection.execute(
                """
                SELECT min(requested_at) FROM relay.triggers
                WHERE (workspace, sync_id) = (%s, %s) AND attempt_id IS NULL
                """,
                (workspace, sync_id),
            ).fetchone()
            return row[0] if row else None

    def begin_attempt(
        self, workspace: str, sync_id: int, *, now: datetime, look_from: datetime
    ) -> Attempt | None:
        """Make one attempt, about to be sent, of all that waits for the sync; None if none does."""
        key = (workspace, sync_id)
        with self._transaction() as connection:
            waiting = connection.execute(
                """
                SELECT trigger_id, full_sync FROM relay.triggers
                WHERE (workspace, sync_id) = (%s, %s) AND attempt_id IS NULL FOR UPDATE
                """,
                key,
            ).fetchall()
            if not waiting:
                return None
            full_sync = any(full for _, full in waiting)
            attempt = _one(
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
            _wake_sync(connection, attempt.workspace, attempt.sync_id, at)

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
            _wake_sync(connection, attempt.workspace, attempt.sync_id, at)

    def come_back(self, workspace: str, sync_id: int, *, at: datetime) -> None:
        """Look at what waits for the sync again at `at`."""
        with self._transaction() as connection:
            _wake_sync(connection, workspace, sync_id, at)

    def wake(self, workspace: str, sync_id: int) -> None:
        """Look at what waits for the sync now."""
        with self._transaction() as connection:
            _run_sync(connection, workspace, sync_id)

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
            cursor = connection.cursor(row_factory=class_row(Cause))
            return tuple(
                cursor.execute(
                    """
                    SELECT dbt_run_id, because, requested_at FROM relay.triggers
                    WHERE attempt_id = %s ORDER BY requested_at, dbt_run_id
                    """,
                    (attempt_id,),
                )
            )

    # A sync run, until its end

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
                _wake_sync(connection, attempt.workspace, attempt.sync_id, at)
            return ended

    # What a person asks for

    def overview(self, *, newest: int) -> Overview:
        """The newest deliveries, the triggers that wait or failed, and the open sync runs."""
        with self._transaction() as connection:
            return Overview(
                deliveries=_all(connection, DeliveryRow, _DELIVERY_ROWS, (newest,)),
                triggers=_all(connection, TriggerRow, _TRIGGER_ROWS, (newest,)),
                open_sync_runs=_all(connection, SyncRunRow, _OPEN_SYNC_RUN_ROWS, ()),
            )

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        try:
            with self._connections.connection() as connection, connection.transaction():
                yield connection
        except psycopg.OperationalError as exc:
            raise DatabaseUnavailable(f"PostgreSQL does not answer: {exc}") from exc


_ATTEMPT_COLUMNS = (
    "attempt_id, workspace, sync_id, full_sync, begun_at, sent_at, look_from, sync_run_id,"
    " triggered_at, looks, status, ended_at"
)
_ATTEMPT = f"SELECT {_ATTEMPT_COLUMNS} FROM relay.sync_runs"


_DELIVERY_ROWS = """
SELECT received_at, deliveries.delivery_id, deliveries.dbt_run_id,
       CASE WHEN ignored_because IS NOT NULL THEN 'ignored'
            WHEN planned_at IS NOT NULL THEN 'planned'
            WHEN given_up_at IS NOT NULL THEN 'given up'
            ELSE 'recorded' END AS became,
       coalesce(ignored_because, problem) AS why
FROM relay.deliveries LEFT JOIN relay.dbt_runs USING (dbt_account_id, dbt_run_id)
ORDER BY received_at DESC LIMIT %s
"""
_TRIGGER_ROWS = """
SELECT requested_at, triggers.workspace, triggers.sync_id, dbt_run_id, sync_run_id, problem,
       CASE WHEN attempt_id IS NULL THEN 'waiting'
            WHEN outcome IS NOT NULL THEN outcome
            WHEN sync_run_id IS NULL THEN 'sending'
            ELSE 'running' END AS state
FROM relay.triggers LEFT JOIN relay.sync_runs USING (attempt_id)
ORDER BY requested_at DESC, trigger_id DESC LIMIT %s
"""
_OPEN_SYNC_RUN_ROWS = """
SELECT begun_at, workspace, sync_id, sync_run_id, status, looks, problem
FROM relay.sync_runs WHERE ended_at IS NULL ORDER BY begun_at DESC
"""


def _all(
    connection: Connection, row: type[Row], sql: LiteralString, arguments: Sequence[object]
) -> list[Row]:
    return connection.cursor(row_factory=class_row(row)).execute(sql, arguments).fetchall()


def _one(
    connection: Connection, row: type[Row], sql: LiteralString, arguments: Sequence[object]
) -> Row | None:
    return connection.cursor(row_factory=class_row(row)).execute(sql, arguments).fetchone()


def _decisions(plan: Plan) -> Iterator[tuple[tuple[str, int], str, list[str]]]:
    for trigger in plan.triggers:
        yield (trigger.sync.workspace, trigger.sync.sync_id), Reason.REBUILT, list(trigger.because)
    for held in plan.withheld:
        yield (held.sync.workspace, held.sync.sync_id), held.reason, list(held.models)


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
        _run_sync(connection, attempt.workspace, attempt.sync_id)
    return True


def _run_sync(connection: Connection, workspace: str, sync_id: int) -> None:
    # The lock keeps two workers from starting one sync at once.
    arguments: JSONDict = {"workspace": workspace, "sync_id": sync_id}
    queue.defer(connection, queue.RUN_SYNC, arguments, lock=f"sync/{workspace}/{sync_id}")


def _wake_sync(connection: Connection, workspace: str, sync_id: int, at: datetime) -> None:
    queue.defer(connection, queue.WAKE_SYNC, {"workspace": workspace, "sync_id": sync_id}, at=at)


def _look(connection: Connection, attempt_id: int, looks: int, at: datetime) -> None:
    arguments: JSONDict = {"attempt_id": attempt_id, "looks": looks}
    queue.defer(connection, queue.LOOK_AT_SYNC_RUN, arguments, at=at)
