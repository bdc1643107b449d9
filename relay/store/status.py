"""Data for `relay status`: deliveries, triggers, open sync runs, and the worker heartbeat."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from relay.store.drift import COLUMNS as DRIFT_COLUMNS
from relay.store.drift import DriftRow
from relay.store.open_alerts import ALERT_ROWS, MUTE_ROWS, AlertRow, MuteRow
from relay.store.transactions import Transactions, every


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRow:
    """A delivery and the state of its run: `ignored`, `recorded`, `planned` or `given up`."""

    received_at: datetime
    delivery_id: uuid.UUID
    dbt_run_id: int | None
    became: str
    why: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerRow:
    """A trigger and its state.

    `state` is `held`, `cooling down`, `waiting`, `sending`, `running`, or the outcome of its sync
    run. `until` is when a hold or cool-down ends, None if only a person ends the hold. Here and
    below `sync_name` comes from the mapping file; the store leaves it None.
    """

    requested_at: datetime
    workspace: str
    sync_id: int
    dbt_run_id: int | None  # None: a manual trigger
    sync_run_id: int | None
    state: str
    problem: str | None
    until: datetime | None
    sync_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldRow:
    """An open hold; `triggers` is how many wait for its end.

    Both ids are None for a hold of all syncs, `sync_id` for one of all syncs of a workspace.
    """

    workspace: str | None
    sync_id: int | None
    since: datetime
    until: datetime | None  # None: until a person releases it
    by: str
    why: str | None
    triggers: int
    sync_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncRunRow:
    """A sync run that has not ended, or an attempt to start one; `looks` counts its polls."""

    begun_at: datetime
    workspace: str
    sync_id: int
    sync_run_id: int | None
    status: str | None
    looks: int
    problem: str | None
    sync_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenUpRow:
    """A dbt run or a trigger that failed, and that relay does not retry by itself.

    `sync_id` is None for a whole dbt run; `dbt_run_id` is None for a manual trigger.
    """

    given_up_at: datetime
    dbt_run_id: int | None
    workspace: str | None
    sync_id: int | None
    problem: str | None
    sync_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AbandonedRow:
    """A sync run with an unknown end, if no later run of its sync has completed."""

    abandoned_at: datetime
    workspace: str
    sync_id: int
    sync_run_id: int | None
    problem: str | None
    sync_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StuckRow:
    """A job that has been due for ten minutes and that no live worker is running.

    `dbt_run_id` is None for a job about a sync; `workspace` and `sync_id` for one about a dbt run.
    """

    due_at: datetime
    dbt_run_id: int | None
    workspace: str | None
    sync_id: int | None
    sync_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LostLinesRow:
    """Log lines that a process could not write; `problem` is the reason for the last one."""

    process: str
    count: int
    last_at: datetime
    problem: str


@dataclass(frozen=True, slots=True)
class Overview:
    """What `relay status` shows, newest first."""

    given_up: list[GivenUpRow]
    holds: list[HoldRow]
    deliveries: list[DeliveryRow]
    triggers: list[TriggerRow]
    open_sync_runs: list[SyncRunRow]
    lost_log_lines: list[LostLinesRow]
    abandoned: list[AbandonedRow]
    stuck: list[StuckRow]
    drift: list[DriftRow]
    alerts: list[AlertRow]
    mutes: list[MuteRow]


class Status(Transactions):
    """The state of relay's work, and whether a worker is alive."""

    def overview(self, *, newest: int) -> Overview:
        """What needs attention, the newest deliveries and triggers, and every open sync run."""
        with self._transaction() as connection:
            return Overview(
                given_up=every(connection, GivenUpRow, _GIVEN_UP_ROWS, (newest,)),
                holds=every(connection, HoldRow, _HOLD_ROWS),
                deliveries=every(connection, DeliveryRow, _DELIVERY_ROWS, (newest,)),
                triggers=every(connection, TriggerRow, _TRIGGER_ROWS, (newest,)),
                open_sync_runs=every(connection, SyncRunRow, _OPEN_SYNC_RUN_ROWS),
                lost_log_lines=every(connection, LostLinesRow, _LOST_LINES_ROWS, (newest,)),
                abandoned=every(connection, AbandonedRow, _ABANDONED_ROWS, (newest,)),
                stuck=every(connection, StuckRow, _STUCK_ROWS, (newest,)),
                drift=every(connection, DriftRow, _DRIFT_ROWS, (newest,)),
                alerts=every(connection, AlertRow, ALERT_ROWS, (newest,)),
                mutes=every(connection, MuteRow, MUTE_ROWS),
            )

    def report_lost_lines(self, row: LostLinesRow) -> None:
        """Record how many log lines a process could not write so far."""
        with self._statement() as connection:
            connection.execute(
                """
                INSERT INTO relay.lost_log_lines (process, count, last_at, problem)
                VALUES (%s, %s, %s, %s)
                ON CONFLICT (process) DO UPDATE
                SET count = excluded.count, last_at = excluded.last_at, problem = excluded.problem
                """,
                (row.process, row.count, row.last_at, row.problem),
            )

    def last_heartbeat(self) -> tuple[datetime, datetime | None]:
        """The database's current time, and the last heartbeat of any worker or None."""
        with self._statement() as connection:
            row = connection.execute(
                # A heartbeat in the future comes from a clock that was ahead, and does not count.
                "SELECT now(), max(last_heartbeat) FILTER (WHERE last_heartbeat <= now())"
                " FROM procrastinate_workers"
            ).fetchone()
            assert row is not None
            return row[0], row[1]


_GIVEN_UP_ROWS = """
SELECT given_up_at, dbt_run_id, NULL AS workspace, NULL::bigint AS sync_id, problem
FROM relay.dbt_runs WHERE given_up_at IS NOT NULL
UNION ALL
SELECT ended_at, dbt_run_id, triggers.workspace, triggers.sync_id, problem
FROM relay.triggers JOIN relay.sync_runs USING (attempt_id)
WHERE outcome = 'refused' AND NOT superseded
ORDER BY given_up_at DESC LIMIT %s
"""
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
_HOLD_ROWS = """
SELECT workspace, sync_id, since, until, held_by AS by, why, (
    SELECT count(*) FROM relay.triggers
    WHERE attempt_id IS NULL
      AND (holds.workspace IS NULL OR triggers.workspace = holds.workspace)
      AND (holds.sync_id IS NULL OR triggers.sync_id = holds.sync_id)) AS triggers
FROM relay.holds
WHERE ended_at IS NULL AND released_by IS NULL AND (until IS NULL OR until > now())
ORDER BY since DESC
"""
_TRIGGER_ROWS = """
SELECT requested_at, triggers.workspace, triggers.sync_id, dbt_run_id, sync_run_id, problem,
       CASE WHEN attempt_id IS NULL AND held.hold_id IS NOT NULL THEN 'held'
            WHEN attempt_id IS NULL AND due_at > now() THEN 'cooling down'
            WHEN attempt_id IS NULL THEN 'waiting'
            WHEN outcome IS NOT NULL THEN outcome
            WHEN sync_run_id IS NULL THEN 'sending'
            ELSE 'running' END AS state,
       CASE WHEN attempt_id IS NULL AND held.hold_id IS NOT NULL THEN held.until
            WHEN attempt_id IS NULL AND due_at > now() THEN due_at END AS until
FROM relay.triggers LEFT JOIN relay.sync_runs USING (attempt_id)
LEFT JOIN LATERAL (
    SELECT hold_id, until FROM relay.holds
    WHERE attempt_id IS NULL AND holds.ended_at IS NULL AND released_by IS NULL
      AND (until IS NULL OR until > now())
      AND (holds.workspace IS NULL OR holds.workspace = triggers.workspace)
      AND (holds.sync_id IS NULL OR holds.sync_id = triggers.sync_id)
    ORDER BY until DESC NULLS FIRST LIMIT 1
) AS held ON true
ORDER BY requested_at DESC, trigger_id DESC LIMIT %s
"""
_ABANDONED_ROWS = """
SELECT ended_at AS abandoned_at, workspace, sync_id, sync_run_id, problem
FROM relay.sync_runs AS abandoned
WHERE outcome = 'abandoned' AND NOT EXISTS (
    SELECT FROM relay.sync_runs AS later
    WHERE (later.workspace, later.sync_id) = (abandoned.workspace, abandoned.sync_id)
      AND later.attempt_id > abandoned.attempt_id AND later.outcome LIKE 'completed%%'
)
ORDER BY ended_at DESC LIMIT %s
"""
# A job that a worker has started is stuck only if that worker is dead and no other took it over.
_STUCK_ROWS = """
SELECT due_at, (args ->> 'dbt_run_id')::bigint AS dbt_run_id,
       coalesce(sync_runs.workspace, args ->> 'workspace') AS workspace,
       coalesce(sync_runs.sync_id, (args ->> 'sync_id')::bigint) AS sync_id
FROM (
    SELECT args, status, worker_id, greatest(scheduled_at, (
        SELECT max(at) FROM procrastinate_events WHERE job_id = procrastinate_jobs.id)) AS due_at
    FROM procrastinate_jobs WHERE status IN ('todo', 'doing')
      AND args ?| array['dbt_run_id', 'sync_id', 'attempt_id']
) AS jobs
LEFT JOIN procrastinate_workers ON procrastinate_workers.id = worker_id
LEFT JOIN relay.sync_runs ON attempt_id = (args ->> 'attempt_id')::bigint
WHERE due_at < now() - interval '10 minutes'
  AND (jobs.status = 'todo'
       OR coalesce(last_heartbeat < now() - interval '1 minute', true))
ORDER BY due_at LIMIT %s
"""
_DRIFT_ROWS = f"""
SELECT {DRIFT_COLUMNS} FROM relay.drift
ORDER BY severity, found_at DESC, workspace, sync_id, kind LIMIT %s
"""
_LOST_LINES_ROWS = """
SELECT process, count, last_at, problem FROM relay.lost_log_lines ORDER BY last_at DESC LIMIT %s
"""
_OPEN_SYNC_RUN_ROWS = """
SELECT begun_at, workspace, sync_id, sync_run_id, status, polls AS looks, problem
FROM relay.sync_runs WHERE ended_at IS NULL ORDER BY begun_at DESC
"""
