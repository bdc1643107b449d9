"""Syncs: their stored freshness, and what their sync runs have been like."""

from collections.abc import Sequence
from datetime import datetime
from typing import LiteralString, TypeVar

import msgspec

from relay.freshness import SyncState
from relay.store.edge_alerts import ALARMING
from relay.store.holds import Hold
from relay.store.mutes import Mute
from relay.store.sync_states import BECAUSE
from relay.store.transactions import Connection, Transactions
from relay.workspaces import SyncKey

Value = TypeVar("Value")

RECENT_RUNS = 14  # of each sync in the list
MOST_POINTS = 500  # of the chart of lags


class RecentRun(msgspec.Struct, frozen=True):
    """How a sync run ended; `lag` in seconds, None if it brought no rebuild to the tool."""

    attempt_id: int
    outcome: str
    lag: float | None
    ended_at: datetime
    records_updated: int | None
    records_failed: int | None
    records_invalid: int | None


class RunsOfASync(msgspec.Struct, frozen=True):
    """The RECENT_RUNS newest ended runs of a sync, the newest first."""

    workspace: str
    sync_id: int
    runs: list[RecentRun]


class Lag(msgspec.Struct, frozen=True):
    """The lag of a completed sync run, in seconds."""

    attempt_id: int
    at: datetime
    lag: float


class DriftOfASync(msgspec.Struct, frozen=True):
    """How a sync's entry differs from Census or dbt; `severity` is `problem` or `warning`."""

    found_at: datetime
    kind: str
    subject: str
    severity: str
    detail: str


class AlertOfASync(msgspec.Struct, frozen=True):
    """An open alert; `dbt_run_id` is None if no dbt run caused it."""

    opened_at: datetime
    event: str
    subject: str
    dbt_run_id: int | None


class Withheld(msgspec.Struct, frozen=True):
    """The newest decision on a sync, if it was withheld because something went wrong in dbt."""

    workspace: str
    sync_id: int
    reason: str
    dbt_run_id: int
    decided_at: datetime


class Situation(msgspec.Struct, frozen=True):
    """The stored state of each sync, those that are withheld because of dbt, and what is open.

    Of the holds, those that end last are first.
    """

    states: list[SyncState]
    withheld: list[Withheld]
    holds: list[Hold]
    mutes: list[Mute]


class SyncStory(msgspec.Struct, frozen=True):
    """What is stored about one sync; `state` is None if relay has not decided on it yet.

    `has_history` is whether relay has triggered it, or decided on it. `holds` are the open ones
    that hold it; `lags` are the newest MOST_POINTS since a time, the oldest first.
    """

    state: SyncState | None
    withheld: Withheld | None
    has_history: bool
    holds: list[Hold]
    mute: Mute | None
    alerts: list[AlertOfASync]
    drift: list[DriftOfASync]
    lags: list[Lag]


class SyncPages(Transactions):
    """The syncs for the dashboard. Each method is one query, whose answer is one value."""

    def situation(self, *, now: datetime) -> Situation:
        """What is stored about every sync."""
        with self._statement() as connection:
            return read_json(
                connection, _situation, _SITUATION, {"now": now, "alarming": sorted(ALARMING)}
            )

    def recent_runs(self, syncs: Sequence[SyncKey]) -> dict[SyncKey, list[RecentRun]]:
        """The newest ended runs of each of these syncs that has any, the newest first."""
        given = {
            "workspaces": [workspace for workspace, _ in syncs],
            "sync_ids": [sync_id for _, sync_id in syncs],
            "runs": RECENT_RUNS,
        }
        with self._statement() as connection:
            found = read_json(connection, _runs, _RECENT_RUNS, given)
        return {(each.workspace, each.sync_id): each.runs for each in found}

    def story(self, sync: SyncKey, *, lags_since: datetime, now: datetime) -> SyncStory:
        """What is stored about one sync."""
        workspace, sync_id = sync
        given = {
            "workspace": workspace,
            "sync_id": sync_id,
            "now": now,
            "alarming": sorted(ALARMING),
            "lags_since": lags_since,
            "points": MOST_POINTS,
        }
        with self._statement() as connection:
            return read_json(connection, _story, _STORY, given)


def read_json(
    connection: Connection,
    decoder: msgspec.json.Decoder[Value],
    query: LiteralString,
    given: dict[str, object],
) -> Value:
    """The query's one value, which is JSON: of many rows, far faster than rows."""
    row = connection.execute(query, given).fetchone()
    assert row is not None
    return decoder.decode(row[0])


_situation = msgspec.json.Decoder(Situation)
_runs = msgspec.json.Decoder(list[RunsOfASync])
_story = msgspec.json.Decoder(SyncStory)

STATES: LiteralString = f"""
SELECT workspace, sync_id, last_rebuilt_at, behind_since, behind_dbt_account_id, behind_dbt_run_id,
       {BECAUSE} AS because, due_at, last_completed_at, lag, failures, last_outcome
FROM relay.sync_states
"""
OPEN_HOLDS: LiteralString = """
SELECT hold_id, workspace, sync_id, since, until, why, held_by AS by, released_by FROM relay.holds
WHERE ended_at IS NULL AND released_by IS NULL AND (until IS NULL OR until > %(now)s)
ORDER BY until DESC NULLS FIRST
"""
OPEN_MUTES: LiteralString = """
SELECT workspace, sync_id, since, until, why, muted_by AS by FROM relay.mutes
WHERE until > %(now)s
"""
_WITHHELD: LiteralString = """
SELECT workspace, sync_id, reason, dbt_run_id, decided_at
FROM relay.sync_states CROSS JOIN LATERAL (
    SELECT reason, dbt_run_id, decided_at FROM relay.decisions
    WHERE (decisions.workspace, decisions.sync_id) = (sync_states.workspace, sync_states.sync_id)
    ORDER BY decided_at DESC, dbt_run_id DESC LIMIT 1
) AS newest
WHERE reason = ANY(%(alarming)s)
"""
_SITUATION = f"""
SELECT json_build_object(
    'states', (SELECT coalesce(json_agg(rows), '[]') FROM ({STATES}) AS rows),
    'withheld', (SELECT coalesce(json_agg(rows), '[]') FROM ({_WITHHELD}) AS rows),
    'holds', (SELECT coalesce(json_agg(rows), '[]') FROM ({OPEN_HOLDS}) AS rows),
    'mutes', (SELECT coalesce(json_agg(rows), '[]') FROM ({OPEN_MUTES}) AS rows))::text
"""
_RECENT_RUNS = """
SELECT coalesce(json_agg(json_build_object(
    'workspace', workspace, 'sync_id', sync_id, 'runs', recent.runs)), '[]')::text
FROM unnest(%(workspaces)s::text[], %(sync_ids)s::bigint[]) AS keys (workspace, sync_id)
CROSS JOIN LATERAL (
    SELECT json_agg(rows) AS runs FROM (
        SELECT attempt_id, outcome, lag, ended_at, records_updated, records_failed, records_invalid
        FROM relay.sync_runs
        WHERE (sync_runs.workspace, sync_runs.sync_id) = (keys.workspace, keys.sync_id)
          AND ended_at IS NOT NULL
        ORDER BY attempt_id DESC LIMIT %(runs)s
    ) AS rows
) AS recent
WHERE recent.runs IS NOT NULL
"""
_IT = "(workspace, sync_id) = (%(workspace)s, %(sync_id)s)"
_STORY = f"""
SELECT json_build_object(
    'state', (SELECT to_json(rows) FROM ({STATES} WHERE {_IT}) AS rows),
    'withheld', (SELECT to_json(rows) FROM ({_WITHHELD} AND {_IT}) AS rows),
    'has_history', EXISTS (SELECT FROM relay.decisions WHERE {_IT})
        OR EXISTS (SELECT FROM relay.sync_runs WHERE {_IT})
        OR EXISTS (SELECT FROM relay.triggers WHERE {_IT} AND attempt_id IS NULL),
    'holds', (SELECT coalesce(json_agg(rows), '[]') FROM ({OPEN_HOLDS}) AS rows
        WHERE rows.workspace IS NULL
           OR rows.workspace = %(workspace)s AND coalesce(rows.sync_id, %(sync_id)s) = %(sync_id)s),
    'mute', (SELECT to_json(rows) FROM ({OPEN_MUTES} AND {_IT}) AS rows),
    'alerts', (SELECT coalesce(json_agg(rows), '[]') FROM (
        SELECT opened_at, event, subject, dbt_run_id FROM relay.alerts
        WHERE resolved_at IS NULL AND {_IT} ORDER BY opened_at DESC, alert_id DESC) AS rows),
    'drift', (SELECT coalesce(json_agg(rows), '[]') FROM (
        SELECT found_at, kind, subject, severity, detail FROM relay.drift
        WHERE {_IT} ORDER BY severity, kind, subject) AS rows),
    'lags', (SELECT coalesce(json_agg(rows ORDER BY attempt_id), '[]') FROM (
        SELECT attempt_id, coalesce(completed_at, ended_at) AS at, lag FROM relay.sync_runs
        WHERE {_IT} AND lag IS NOT NULL ORDER BY attempt_id DESC LIMIT %(points)s) AS rows
        WHERE at >= %(lags_since)s)
)::text
"""
