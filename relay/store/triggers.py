"""The triggers of a sync: those that wait, and those that one sync run answers."""

from dataclasses import dataclass
from datetime import datetime

from relay.store import jobs
from relay.store.transactions import Connection, Transactions, every, one


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """A trigger as it was requested; without a dbt run, a person asked for it.

    `because` are the rebuilt models; `through` has the views among them, and what was rebuilt
    behind each.
    """

    dbt_run_id: int | None
    because: list[str]
    through: dict[str, list[str]]
    requested_at: datetime


@dataclass(frozen=True, slots=True)
class Causes:
    """The triggers that one sync run answers, the oldest request first."""

    triggers: tuple[Cause, ...]

    @property
    def dbt_run_ids(self) -> list[int]:
        """The dbt runs behind it; empty if only a person asked for it."""
        return [cause.dbt_run_id for cause in self.triggers if cause.dbt_run_id is not None]

    @property
    def newest_dbt_run_id(self) -> int | None:
        """The newest of these dbt runs."""
        return max(self.dbt_run_ids, default=None)

    @property
    def models(self) -> list[str]:
        """The rebuilt models, sorted."""
        return sorted({model for cause in self.triggers for model in cause.because})

    @property
    def through(self) -> dict[str, list[str]]:
        """The views among these models, and what was rebuilt behind each."""
        behind: dict[str, set[str]] = {}
        for cause in self.triggers:
            for view, nodes in cause.through.items():
                behind.setdefault(view, set()).update(nodes)
        return {view: sorted(behind[view]) for view in sorted(behind)}


@dataclass(frozen=True, slots=True)
class Waiting:
    """Triggers that wait: since when the oldest does, and how the sync's latest attempt ended.

    `last_outcome` is None if there was no attempt, or it has not ended.
    """

    since: datetime
    last_outcome: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerProgress:
    """How far a trigger is: what the sync run that answers it does, or did.

    `sync_run_id` is None until Census has started one, `status` until it was asked about it, and
    `outcome` until it has ended. A run without an id ended because Census started none.
    """

    sync_run_id: int | None
    status: str | None
    outcome: str | None
    problem: str | None
    records_processed: int | None
    records_failed: int | None
    records_invalid: int | None


class Triggers(Transactions):
    """What each sync waits for, and the jobs that start it."""

    def waiting(self, workspace: str, sync_id: int, *, now: datetime) -> Waiting | None:
        """The triggers that are due and wait for this sync; None if none does."""
        with self._statement() as connection:
            return one(connection, Waiting, _WAITING, (workspace, sync_id, now))

    def start_now(self, workspace: str, sync_id: int) -> None:
        """Have what waits for the sync started now."""
        with self._statement() as connection:
            jobs.start_sync_run(connection, workspace, sync_id)

    def schedule_start(self, workspace: str, sync_id: int, *, at: datetime) -> None:
        """Have what waits for the sync started at `at`."""
        with self._statement() as connection:
            jobs.schedule_start(connection, workspace, sync_id, at)

    def add_manual(self, workspace: str, sync_id: int, *, full_sync: bool, now: datetime) -> int:
        """Add a trigger without a dbt run, with its job: it waits its turn like any other.

        Returns its trigger_id.
        """
        with self._transaction() as connection:
            given = (workspace, sync_id, full_sync, now, now, now)
            row = connection.execute(_ADD_MANUAL, given).fetchone()
            assert row is not None
            jobs.start_sync_run(connection, workspace, sync_id)
            return int(row[0])

    def progress(self, trigger_id: int) -> TriggerProgress | None:
        """How far a trigger is; None if it is not known (any more)."""
        with self._statement() as connection:
            return one(connection, TriggerProgress, _PROGRESS, (trigger_id,))


_WAITING = """
SELECT min(due_at) AS since, (
    SELECT outcome FROM relay.sync_runs
    WHERE (workspace, sync_id) = (triggers.workspace, triggers.sync_id)
    ORDER BY attempt_id DESC LIMIT 1) AS last_outcome
FROM relay.triggers
WHERE (workspace, sync_id) = (%s, %s) AND attempt_id IS NULL AND due_at <= %s
GROUP BY workspace, sync_id
"""
_ADD_MANUAL = """
INSERT INTO relay.triggers (workspace, sync_id, full_sync, because, through, requested_at, due_at,
                            covers_until)
VALUES (%s, %s, %s, '{}', '{}', %s, %s, %s)
RETURNING trigger_id
"""
_PROGRESS = """
SELECT sync_run_id, status, outcome, problem, records_processed, records_failed, records_invalid
FROM relay.triggers LEFT JOIN relay.sync_runs USING (attempt_id)
WHERE trigger_id = %s
"""
_CAUSES = """
SELECT dbt_run_id, because, through, requested_at FROM relay.triggers
WHERE attempt_id = %s ORDER BY requested_at, dbt_run_id
"""


def causes_of(connection: Connection, attempt_id: int) -> Causes:
    """The triggers that an attempt, and the run it started, answers."""
    return Causes(tuple(every(connection, Cause, _CAUSES, (attempt_id,))))


def requeue_triggers(connection: Connection, attempt_id: int) -> None:
    """Give an attempt's triggers back to those that wait."""
    connection.execute(
        "UPDATE relay.triggers SET attempt_id = NULL WHERE attempt_id = %s", (attempt_id,)
    )


def start_waiting_triggers(connection: Connection, workspace: str, sync_id: int) -> None:
    """Defer the start of a sync, if anything waits for it.

    A trigger that comes in this very moment is not seen here: `SyncRuns.is_running` says who
    starts that one.
    """
    rows = connection.execute(
        """
        SELECT FROM relay.triggers
        WHERE (workspace, sync_id) = (%s, %s) AND attempt_id IS NULL LIMIT 1
        """,
        (workspace, sync_id),
    )
    if rows.rowcount > 0:
        jobs.start_sync_run(connection, workspace, sync_id)
