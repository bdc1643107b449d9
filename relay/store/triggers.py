"""The triggers of a sync: waiting ones, and those that a sync run was started for."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from relay.store import jobs
from relay.store.mode import Mode
from relay.store.sync_states import refresh
from relay.store.transactions import Connection, Transactions, every, one


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """A trigger as it was requested; a manual trigger has no dbt run.

    `because` lists the rebuilt models; `through` maps the views among them to the rebuilt nodes
    that they read. `due_at` is when it could be sent first: after its cool-down and all holds.
    `sendable_since` is the dbt run's delivery, or the end of its cool-down.
    """

    dbt_run_id: int | None
    because: list[str]
    through: dict[str, list[str]]
    due_at: datetime
    sendable_since: datetime | None


@dataclass(frozen=True, slots=True)
class Causes:
    """The triggers that one sync run was started for, oldest request first."""

    triggers: tuple[Cause, ...]

    @property
    def dbt_run_ids(self) -> list[int]:
        """The dbt runs that caused it; empty if all triggers were manual."""
        return [cause.dbt_run_id for cause in self.triggers if cause.dbt_run_id is not None]

    @property
    def newest_dbt_run_id(self) -> int | None:
        """The newest of these dbt runs."""
        return max(self.dbt_run_ids, default=None)

    @property
    def sendable_since(self) -> list[datetime]:
        """Since when each dbt run's trigger could be sent: its delivery, or its cool-down's end."""
        return [one.sendable_since for one in self.triggers if one.sendable_since is not None]

    @property
    def models(self) -> list[str]:
        """The rebuilt models, sorted."""
        return sorted({model for cause in self.triggers for model in cause.because})

    @property
    def through(self) -> dict[str, list[str]]:
        """The views among these models, each with the rebuilt nodes that it reads."""
        behind: dict[str, set[str]] = {}
        for cause in self.triggers:
            for view, nodes in cause.through.items():
                behind.setdefault(view, set()).update(nodes)
        return {view: sorted(behind[view]) for view in sorted(behind)}


@dataclass(frozen=True, slots=True)
class Waiting:
    """Waiting triggers: since when the oldest could be sent, and the dbt runs they are for.

    `last_outcome` is how the sync's latest attempt ended, None if there was none, or it has not.
    `some_of_dry_run` is whether a process in dry run has added one of them.
    """

    since: datetime
    dbt_run_ids: list[int]
    some_of_dry_run: bool
    last_outcome: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerProgress:
    """The state of a trigger's sync run.

    `sync_run_id` is None until Census has started one, `status` until the first poll, and `outcome`
    until it has ended. An outcome without an id means that Census started no run.
    """

    sync_run_id: int | None
    status: str | None
    outcome: str | None
    problem: str | None
    records_processed: int | None
    records_failed: int | None
    records_invalid: int | None


class Triggers(Transactions):
    """The triggers of each sync, and the jobs that start its sync runs."""

    def waiting(self, workspace: str, sync_id: int, *, now: datetime) -> Waiting | None:
        """The sync's due waiting triggers; None if there are none."""
        with self._statement() as connection:
            return one(connection, Waiting, _WAITING, (workspace, sync_id, now))

    def start_now(self, workspace: str, sync_id: int) -> None:
        """Start the sync's waiting triggers now."""
        with self._statement() as connection:
            jobs.start_sync_run(connection, workspace, sync_id)

    def schedule_start(self, workspace: str, sync_id: int, *, at: datetime) -> None:
        """Start the sync's waiting triggers at `at`."""
        with self._statement() as connection:
            jobs.schedule_start(connection, workspace, sync_id, at)

    def add_manual(
        self,
        workspace: str,
        sync_id: int,
        *,
        full_sync: bool,
        now: datetime,
        mode: Mode = Mode.LIVE,
    ) -> int:
        """Add a manual trigger (without a dbt run), with its job; it is queued like any other.

        Returns its trigger_id.
        """
        with self._transaction() as connection:
            given = (workspace, sync_id, full_sync, now, now, now, mode is Mode.DRY_RUN)
            row = connection.execute(_ADD_MANUAL, given).fetchone()
            assert row is not None
            jobs.start_sync_run(connection, workspace, sync_id)
            refresh(connection, [(workspace, sync_id)])
            return int(row[0])

    def progress(self, trigger_id: int) -> TriggerProgress | None:
        """The state of a trigger; None if it does not exist, or was deleted."""
        with self._statement() as connection:
            return one(connection, TriggerProgress, _PROGRESS, (trigger_id,))


# Since when a sync may be triggered again, as far as holds matter; null if none has ended.
_HOLD_ENDED = """(
    SELECT max(coalesce(ended_at, until)) FROM relay.holds
    WHERE (holds.workspace IS NULL OR holds.workspace = triggers.workspace)
      AND (holds.sync_id IS NULL OR holds.sync_id = triggers.sync_id)
)"""
# Clocks differ. One without a cool-down is due even if the machine that requested it is ahead, and
# all that are due for the database are: it starts their jobs, which another worker may then run.
_IS_DUE = "(due_at <= greatest(%s, clock_timestamp()) OR due_at <= requested_at)"
_WAITING = f"""
SELECT greatest(min(due_at), {_HOLD_ENDED}) AS since,
       coalesce(array_agg(dbt_run_id ORDER BY requested_at, dbt_run_id)
           FILTER (WHERE dbt_run_id IS NOT NULL), '{{}}') AS dbt_run_ids,
       bool_or(dry_run) AS some_of_dry_run, (
    SELECT outcome FROM relay.sync_runs
    WHERE (workspace, sync_id) = (triggers.workspace, triggers.sync_id)
    ORDER BY attempt_id DESC LIMIT 1) AS last_outcome
FROM relay.triggers
WHERE (workspace, sync_id) = (%s, %s) AND attempt_id IS NULL AND {_IS_DUE}
GROUP BY workspace, sync_id
"""
_ADD_MANUAL = """
INSERT INTO relay.triggers (workspace, sync_id, full_sync, because, through, requested_at, due_at,
                            covers_until, dry_run)
VALUES (%s, %s, %s, '{}', '{}', %s, %s, %s, %s)
RETURNING trigger_id
"""
_PROGRESS = """
SELECT sync_run_id, status, outcome, problem, records_processed, records_failed, records_invalid
FROM relay.triggers LEFT JOIN relay.sync_runs USING (attempt_id)
WHERE trigger_id = %s
"""
_CAUSES = f"""
SELECT dbt_run_id, because, through, greatest(due_at, {_HOLD_ENDED}) AS due_at,
       CASE WHEN due_at > requested_at THEN due_at ELSE recorded_at END AS sendable_since
FROM relay.triggers LEFT JOIN relay.dbt_runs USING (dbt_account_id, dbt_run_id)
WHERE attempt_id = %s ORDER BY requested_at, dbt_run_id
"""


def causes_of(connection: Connection, attempt_id: int) -> Causes:
    """The triggers that an attempt was made for."""
    return Causes(tuple(every(connection, Cause, _CAUSES, (attempt_id,))))


class Which(Enum):
    """Which of a sync's due waiting triggers."""

    ALL = "true"
    LIVE = "NOT dry_run"
    OF_DRY_RUN = "dry_run"
    OF_DBT_RUNS = "dbt_run_id IS NOT NULL"


@dataclass(frozen=True, slots=True)
class LockedTriggers:
    """Waiting triggers that no other transaction can take; `full_sync` is that of any of them."""

    trigger_ids: list[int]
    full_sync: bool


def lock_waiting(
    connection: Connection, workspace: str, sync_id: int, *, now: datetime, which: Which
) -> LockedTriggers:
    """Lock the sync's due waiting triggers, or some of them."""
    rows = connection.execute(
        f"""
        SELECT trigger_id, full_sync FROM relay.triggers
        WHERE (workspace, sync_id) = (%s, %s) AND attempt_id IS NULL AND {_IS_DUE}
          AND {which.value}
        FOR UPDATE
        """,
        (workspace, sync_id, now),
    ).fetchall()
    return LockedTriggers([row[0] for row in rows], full_sync=any(full for _, full in rows))


def assign(connection: Connection, attempt_id: int, triggers: LockedTriggers) -> None:
    """Make an attempt answer these triggers."""
    connection.execute(
        "UPDATE relay.triggers SET attempt_id = %s WHERE trigger_id = ANY(%s)",
        (attempt_id, triggers.trigger_ids),
    )


def requeue_triggers(connection: Connection, attempt_id: int) -> None:
    """Return an attempt's triggers to the waiting ones."""
    connection.execute(
        "UPDATE relay.triggers SET attempt_id = NULL WHERE attempt_id = %s", (attempt_id,)
    )


def start_waiting_triggers(connection: Connection, workspace: str, sync_id: int) -> None:
    """Defer the start of a sync run, if any trigger of the sync waits.

    A trigger that is committed concurrently is not seen here: `SyncRuns.is_running` explains how
    that one is started.
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
