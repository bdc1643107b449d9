"""What `/metrics` reads beside counters and the syncs' states. No query grows with the history."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import LiteralString

import msgspec

from relay.store import jobs
from relay.store.sync_states import BECAUSE
from relay.store.tallies import Labels
from relay.store.transactions import Transactions, every, one
from relay.workspaces import SyncKey

SYNC_RECORDS = "relay_sync_records_total"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceFigures:
    """The state of the whole service; times are None if there was no such thing yet.

    `given_up_…` are what `relay status` lists. The next five count sync runs and those to come.
    """

    now: datetime
    last_delivery_at: datetime | None
    last_catch_up_at: datetime | None
    workers: int
    heartbeat_at: datetime | None
    given_up_dbt_runs: int
    given_up_triggers: int
    given_up_sync_runs: int
    waiting: int
    cooling_down: int
    held: int
    sending: int
    running: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFigures:
    """The jobs of a task that are not done.

    `oldest_due_at` is since when one has been due, `next_at` when the next one will be; None if
    none is, and if none is scheduled.
    """

    task: str
    due: int
    scheduled: int
    doing: int
    oldest_due_at: datetime | None
    next_at: datetime | None


class SyncFigures(msgspec.Struct, frozen=True):
    """What is stored of a sync's freshness, as in `SyncState`; times are Unix times."""

    workspace: str
    sync_id: int
    behind_since: float | None = None
    because: str | None = None
    due_at: float | None = None
    last_completed_at: float | None = None
    lag: float | None = None
    failures: int = 0


_syncs = msgspec.json.Decoder(list[SyncFigures])
_records = msgspec.json.Decoder(list[tuple[str, str, str, float]])


class Metrics(Transactions):
    """The figures of a scrape."""

    def service(self, *, silent_after: timedelta) -> ServiceFigures:
        """The state of the service; a worker counts until it is silent for `silent_after`."""
        with self._statement() as connection:
            figures = one(connection, ServiceFigures, _SERVICE, (silent_after,))
            assert figures is not None
            return figures

    def jobs(self) -> list[JobFigures]:
        """The jobs of each task that has any."""
        with self._statement() as connection:
            return every(connection, JobFigures, _JOBS, (jobs.QUEUES,))

    def counters(self) -> Mapping[str, Mapping[Labels, float]]:
        """The counters that are not those of a sync, by name and labels."""
        read: dict[str, dict[Labels, float]] = {}
        with self._statement() as connection:
            for name, labels, value in connection.execute(_COUNTERS, (SYNC_RECORDS,)):
                read.setdefault(name, {})[tuple(sorted(labels.items()))] = value
        return read

    def syncs(self) -> Mapping[SyncKey, SyncFigures]:
        """The figures of each sync that relay has decided on."""
        return {(row.workspace, row.sync_id): row for row in _syncs.decode(self._json(_SYNCS))}

    def sync_records(self) -> Mapping[tuple[SyncKey, str], float]:
        """How many records the runs of each sync have had, by sync and what became of them."""
        rows = _records.decode(self._json(_RECORDS, SYNC_RECORDS))
        return {((workspace, int(sync)), result): value for workspace, sync, result, value in rows}

    def _json(self, query: LiteralString, *arguments: object) -> str:
        """One value: thousands of rows would take psycopg most of the time of a scrape."""
        with self._statement() as connection:
            row = connection.execute(query, arguments).fetchone()
            assert row is not None
            return str(row[0])


_COUNTERS = """
SELECT name, labels, sum(value) FROM relay.tallies WHERE name <> %s GROUP BY name, labels
"""
_SYNCS = f"""
SELECT coalesce(json_agg(figures), '[]')::text FROM (
    SELECT workspace, sync_id, extract(epoch FROM behind_since) AS behind_since,
           {BECAUSE} AS because,
           extract(epoch FROM due_at) AS due_at,
           extract(epoch FROM last_completed_at) AS last_completed_at, lag, failures
    FROM relay.sync_states
) AS figures
"""
_RECORDS = """
SELECT coalesce(json_agg(json_build_array(workspace, sync_id, result, value)), '[]')::text FROM (
    SELECT labels ->> 'workspace' AS workspace, labels ->> 'sync_id' AS sync_id,
           labels ->> 'result' AS result, sum(value) AS value
    FROM relay.tallies WHERE name = %s GROUP BY 1, 2, 3
) AS records
"""
# The time of a job without one is that of its first event; the oldest has the smallest id.
_JOBS = """
SELECT task, due, scheduled, doing, next_at, least(planned_at, (
    SELECT min(at) FROM procrastinate_events WHERE job_id = oldest_id)) AS oldest_due_at
FROM (
    SELECT task_name AS task,
           count(*) FILTER (WHERE is_due) AS due,
           count(*) FILTER (WHERE status = 'todo' AND NOT is_due) AS scheduled,
           count(*) FILTER (WHERE status = 'doing') AS doing,
           min(scheduled_at) FILTER (WHERE status = 'todo' AND NOT is_due) AS next_at,
           min(scheduled_at) FILTER (WHERE is_due) AS planned_at,
           min(id) FILTER (WHERE is_due AND scheduled_at IS NULL) AS oldest_id
    FROM (
        SELECT *, status = 'todo' AND (scheduled_at IS NULL OR scheduled_at <= now()) AS is_due
        FROM procrastinate_jobs
        WHERE status IN ('todo', 'doing') AND queue_name = ANY(%s)
    ) AS jobs
    GROUP BY task_name
) AS of_tasks
ORDER BY task
"""
_SERVICE = """
WITH starting AS (
    SELECT min(due_at) AS due_at, EXISTS (
        SELECT FROM relay.holds
        WHERE ended_at IS NULL AND released_by IS NULL AND (until IS NULL OR until > now())
          AND (holds.workspace IS NULL OR holds.workspace = triggers.workspace)
          AND (holds.sync_id IS NULL OR holds.sync_id = triggers.sync_id)
    ) AS is_held
    FROM relay.triggers WHERE attempt_id IS NULL GROUP BY workspace, sync_id
), to_come AS (
    SELECT count(*) FILTER (WHERE is_held) AS held,
           count(*) FILTER (WHERE NOT is_held AND due_at > now()) AS cooling_down,
           count(*) FILTER (WHERE NOT is_held AND due_at <= now()) AS waiting
    FROM starting
), open AS (
    SELECT count(*) FILTER (WHERE sync_run_id IS NULL) AS sending, count(sync_run_id) AS running
    FROM relay.sync_runs WHERE ended_at IS NULL
), workers AS (
    SELECT count(*) FILTER (WHERE last_heartbeat > now() - %s) AS workers,
           max(last_heartbeat) AS heartbeat_at
    FROM procrastinate_workers WHERE last_heartbeat <= now()
)
SELECT now() AS now,
    (SELECT max(received_at) FROM relay.deliveries) AS last_delivery_at,
    (SELECT max(read_until) FROM relay.catch_ups WHERE read_until > first_started_at)
        AS last_catch_up_at,
    (SELECT count(*) FROM relay.dbt_runs WHERE given_up_at IS NOT NULL) AS given_up_dbt_runs,
    (SELECT count(*) FROM relay.sync_runs JOIN relay.triggers USING (attempt_id)
     WHERE outcome = 'refused' AND NOT superseded) AS given_up_triggers,
    (SELECT count(*) FROM relay.sync_runs AS abandoned
     WHERE outcome = 'abandoned' AND NOT EXISTS (
        SELECT FROM relay.sync_runs AS later
        WHERE (later.workspace, later.sync_id) = (abandoned.workspace, abandoned.sync_id)
          AND later.attempt_id > abandoned.attempt_id
          AND later.outcome IN ('completed', 'completed_with_rejects'))) AS given_up_sync_runs,
    workers, heartbeat_at, waiting, cooling_down, held, sending, running
FROM workers, to_come, open
"""
