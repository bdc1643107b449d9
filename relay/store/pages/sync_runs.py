"""Sync runs, and attempts to start one: what caused each, and how it ended."""

from collections.abc import Sequence
from datetime import datetime
from typing import LiteralString

import msgspec
from msgspec import structs

from relay.store.pages.listing import Before, Rows, newest
from relay.store.transactions import Transactions, every, one
from relay.workspaces import SyncKey

# Filters by more than one outcome, or by none: it has not ended; it brought a rebuild to the tool;
# it did not complete; relay will not try again.
RUNNING = "running"
WITH_LAG = "with lag"
ENDED_BADLY = "ended badly"
GIVEN_UP = "given up"

MOST_TRIGGERS = 200  # of one sync run, on its page


class SyncRunRow(msgspec.Struct, frozen=True, kw_only=True):
    """A sync run, or an attempt to start one.

    `sync_run_id` and `triggered_at` are None until Census has started it, `status` (Census's) until
    the first poll, `outcome` (relay's) and `ended_at` until its end. `completed_at` is by Census's
    clock. `seconds` is how long it ran, `lag` in seconds, None if it brought no rebuild. `models`
    and `dbt_run_ids` are the first three of those that caused it. `sync_name` comes from the
    mapping file; the store leaves it None.
    """

    attempt_id: int
    sync_run_id: int | None
    workspace: str
    sync_id: int
    begun_at: datetime
    triggered_at: datetime | None
    ended_at: datetime | None
    completed_at: datetime | None
    seconds: float | None
    state: str
    status: str | None
    outcome: str | None
    full_sync: bool
    records_processed: int | None
    records_updated: int | None
    records_failed: int | None
    records_invalid: int | None
    lag: float | None
    models: list[str]
    model_count: int
    dbt_run_ids: list[int]
    dbt_run_count: int
    sync_name: str | None = None


class SyncRunDetails(msgspec.Struct, frozen=True, kw_only=True):
    """All that is kept of a sync run beside its row.

    `tries` counts failed tries to start it, `polls` how often Census was asked for its status.
    `recovered` is whether Census's response was lost and the run found later. `reconcile_after` is
    when a POST without a response counts as timed out.
    """

    sent_at: datetime | None
    reconcile_after: datetime | None
    tries: int
    backoff_spent: float
    polls: int
    recovered: bool
    error_code: str | None
    problem: str | None


class AnsweredTrigger(msgspec.Struct, frozen=True, kw_only=True):
    """A trigger that a sync run answers; `dbt_run_id` is None for one that a person asked for."""

    trigger_id: int
    dbt_run_id: int | None
    job_name: str | None
    models: list[str]
    through: dict[str, list[str]]
    requested_at: datetime
    due_at: datetime
    full_sync: bool
    dry_run: bool
    superseded: bool


class SyncRunFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which sync runs; None for any. `outcome` is one of relay's, or of the filters above."""

    sync: SyncKey | None = None
    outcome: str | None = None
    since: datetime | None = None


class SyncRunPages(Transactions):
    """The sync runs for the dashboard."""

    def newest(
        self, wanted: SyncRunFilter, *, before: Before | None, rows: int
    ) -> Rows[SyncRunRow]:
        """The newest of these sync runs, by when relay began them."""
        workspace, sync_id = wanted.sync or (None, None)
        scanned = _scanned(wanted)
        with self._statement() as connection:
            return newest(
                connection,
                SyncRunRow,
                (_listed(scanned), _last(scanned)),
                {**structs.asdict(wanted), "workspace": workspace, "sync_id": sync_id},
                before=before,
                rows=rows,
                key_of=lambda row: (row.begun_at, str(row.attempt_id)),
            )

    def of_sync(self, sync: SyncKey, *, rows: int) -> list[SyncRunRow]:
        """The newest sync runs of a sync."""
        with self._statement() as connection:
            return every(connection, SyncRunRow, _OF_SYNC, (*sync, rows))

    def find(self, attempt_id: int) -> tuple[SyncRunRow, SyncRunDetails] | None:
        """A sync run, None if there is none."""
        with self._statement() as connection:
            row = one(connection, SyncRunRow, _ONE, (attempt_id,))
            details = one(connection, SyncRunDetails, _DETAILS, (attempt_id,))
            return None if row is None or details is None else (row, details)

    def triggers(self, attempt_id: int) -> Sequence[AnsweredTrigger]:
        """The first MOST_TRIGGERS triggers that a sync run answers, the oldest request first."""
        with self._statement() as connection:
            return every(connection, AnsweredTrigger, _TRIGGERS, (attempt_id, MOST_TRIGGERS))


# A refused one is retried no more, unless a replay has put another trigger in its place; of an
# abandoned one the end is not known, and no later run of its sync has completed.
IS_GIVEN_UP = """(
    (runs.outcome = 'refused' AND EXISTS (
        SELECT FROM relay.triggers
        WHERE triggers.attempt_id = runs.attempt_id AND NOT superseded))
    OR (runs.outcome = 'abandoned' AND NOT EXISTS (
        SELECT FROM relay.sync_runs AS later
        WHERE (later.workspace, later.sync_id) = (runs.workspace, runs.sync_id)
          AND later.attempt_id > runs.attempt_id
          AND later.outcome IN ('completed', 'completed_with_rejects'))))"""
HAS_ENDED_BADLY = "outcome IN ('failed', 'canceled', 'abandoned', 'refused')"
_SHOWN = """
runs.attempt_id, sync_run_id, workspace, sync_id, begun_at, triggered_at, ended_at, completed_at,
extract(epoch FROM coalesce(completed_at, ended_at) - triggered_at)::float8 AS seconds,
CASE WHEN outcome IS NOT NULL THEN outcome WHEN sync_run_id IS NULL THEN 'sending'
     ELSE 'running' END AS state,
status, outcome, full_sync, records_processed, records_updated, records_failed, records_invalid,
lag, caused.models, caused.model_count, caused.dbt_run_ids, caused.dbt_run_count
"""
# What one sync run answers is bounded by how many dbt runs end while it waits.
_CAUSED = """
CROSS JOIN LATERAL (
    SELECT coalesce(models.models[:3], '{}') AS models,
           coalesce(array_length(models.models, 1), 0) AS model_count,
           coalesce(answered.dbt_run_ids[:3], '{}') AS dbt_run_ids,
           coalesce(array_length(answered.dbt_run_ids, 1), 0) AS dbt_run_count
    FROM (
        SELECT array_agg(DISTINCT dbt_run_id ORDER BY dbt_run_id DESC)
                   FILTER (WHERE dbt_run_id IS NOT NULL) AS dbt_run_ids
        FROM relay.triggers WHERE triggers.attempt_id = runs.attempt_id
    ) AS answered, (
        SELECT array_agg(DISTINCT model ORDER BY model) AS models
        FROM relay.triggers, unnest(because) AS model
        WHERE triggers.attempt_id = runs.attempt_id
    ) AS models
) AS caused
"""
_MATCHES = f"""(%(since)s::timestamptz IS NULL OR begun_at >= %(since)s)
  AND CASE %(outcome)s::text
      WHEN '{RUNNING}' THEN ended_at IS NULL
      WHEN '{WITH_LAG}' THEN lag IS NOT NULL
      WHEN '{ENDED_BADLY}' THEN {HAS_ENDED_BADLY}
      WHEN '{GIVEN_UP}' THEN {IS_GIVEN_UP}
      ELSE %(outcome)s::text IS NULL OR outcome = %(outcome)s END"""


def _scanned(wanted: SyncRunFilter) -> LiteralString:
    """The rows that the filter looks at, by an index that has them in this order or has few."""
    if wanted.sync is not None:
        where: LiteralString = "(workspace, sync_id) = (%(workspace)s, %(sync_id)s)"
    elif wanted.outcome == GIVEN_UP:
        where = "outcome IN ('refused', 'abandoned')"
    else:
        where = "ended_at IS NULL" if wanted.outcome == RUNNING else "true"
    return f"""
FROM relay.sync_runs
WHERE {where} AND (%(row_id)s::bigint IS NULL OR attempt_id < %(row_id)s::bigint)
ORDER BY attempt_id DESC
"""


def _listed(scanned: LiteralString) -> LiteralString:
    return f"""
SELECT {_SHOWN} FROM (
    SELECT * FROM (SELECT * {scanned} LIMIT %(scanned)s) AS runs
    WHERE {_MATCHES} ORDER BY attempt_id DESC LIMIT %(rows)s
) AS runs {_CAUSED} ORDER BY attempt_id DESC
"""


def _last(scanned: LiteralString) -> LiteralString:
    """The last row that was scanned; none if it, and so all that follow, are before `since`."""
    return f"""
SELECT begun_at, attempt_id FROM (
    SELECT begun_at, attempt_id {scanned} OFFSET %(skipped)s LIMIT 1
) AS last WHERE %(since)s::timestamptz IS NULL OR begun_at >= %(since)s
"""


_OF_SYNC = f"""
SELECT {_SHOWN} FROM (
    SELECT * FROM relay.sync_runs WHERE (workspace, sync_id) = (%s, %s)
    ORDER BY attempt_id DESC LIMIT %s
) AS runs {_CAUSED} ORDER BY attempt_id DESC
"""
_ONE = f"SELECT {_SHOWN} FROM relay.sync_runs AS runs {_CAUSED} WHERE runs.attempt_id = %s"
_DETAILS = """
SELECT sent_at, reconcile_after, failures AS tries, backoff_spent, polls, recovered, error_code,
       problem
FROM relay.sync_runs WHERE attempt_id = %s
"""
_TRIGGERS = """
SELECT trigger_id, dbt_run_id, job_name, because AS models, through, requested_at, due_at,
       full_sync, dry_run, superseded
FROM relay.triggers LEFT JOIN relay.dbt_runs USING (dbt_account_id, dbt_run_id)
WHERE attempt_id = %s ORDER BY requested_at, trigger_id LIMIT %s
"""
