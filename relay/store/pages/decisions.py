"""Decisions on syncs, of all syncs or of one, the newest first."""

import uuid
from datetime import datetime
from typing import LiteralString

import msgspec
from msgspec import structs

from relay.store.pages.listing import Before, Rows, newest
from relay.store.transactions import Transactions
from relay.workspaces import SyncKey

TRIGGERED = "triggered"
WITHHELD = "withheld"
DECISIONS = (TRIGGERED, WITHHELD)  # one that cools down is withheld until then


class DecisionRow(msgspec.Struct, frozen=True, kw_only=True):
    """A decision, with the first three models that decided it; `decision_id` is of these rows only.

    `sync_name` comes from the mapping file; the store leaves it None.
    """

    decided_at: datetime
    decision_id: uuid.UUID
    workspace: str
    sync_id: int
    dbt_run_id: int
    job_name: str | None
    decision: str
    reason: str
    models: list[str]
    model_count: int
    sync_name: str | None = None


class DecisionFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which decisions; None for any. `decision` is one of DECISIONS."""

    sync: SyncKey | None = None
    decision: str | None = None
    reason: str | None = None
    since: datetime | None = None


class DecisionPages(Transactions):
    """The decisions for the dashboard."""

    def newest(
        self, wanted: DecisionFilter, *, before: Before | None, rows: int
    ) -> Rows[DecisionRow]:
        """The newest of these decisions."""
        workspace, sync_id = wanted.sync or (None, None)
        scanned = _SCANNED if wanted.sync is None else _SCANNED_OF_A_SYNC
        with self._statement() as connection:
            return newest(
                connection,
                DecisionRow,
                (_listed(scanned), _last(scanned)),
                {**structs.asdict(wanted), "workspace": workspace, "sync_id": sync_id},
                before=before,
                rows=rows,
                key_of=lambda row: (row.decided_at, str(row.decision_id)),
            )


_KEY = "md5(dbt_run_id || ':' || workspace || '/' || sync_id)::uuid"
_BEFORE = f"""(%(at)s::timestamptz IS NULL OR (
    decided_at <= %(at)s AND (decided_at, {_KEY}) < (%(at)s, %(row_id)s::uuid)))
  AND (%(since)s::timestamptz IS NULL OR decided_at >= %(since)s)
ORDER BY decided_at DESC, {_KEY} DESC"""
_SCANNED = f"FROM relay.decisions WHERE {_BEFORE}"
_SCANNED_OF_A_SYNC = f"""
FROM relay.decisions WHERE (workspace, sync_id) = (%(workspace)s, %(sync_id)s) AND {_BEFORE}
"""


def _listed(scanned: LiteralString) -> LiteralString:
    return f"""
SELECT decided_at, {_KEY} AS decision_id, workspace, sync_id, dbt_run_id, (
           SELECT job_name FROM relay.dbt_runs
           WHERE (dbt_runs.dbt_account_id, dbt_runs.dbt_run_id)
               = (listed.dbt_account_id, listed.dbt_run_id)) AS job_name,
       decision, reason, models[:3] AS models, cardinality(models) AS model_count
FROM (
    SELECT * FROM (
        SELECT decided_at, workspace, sync_id, dbt_account_id, dbt_run_id, reason, models,
               CASE reason WHEN 'rebuilt' THEN '{TRIGGERED}' ELSE '{WITHHELD}' END AS decision
        {scanned} LIMIT %(scanned)s
    ) AS scanned
    WHERE (%(decision)s::text IS NULL OR decision = %(decision)s)
      AND (%(reason)s::text IS NULL OR reason = %(reason)s)
    ORDER BY decided_at DESC, {_KEY} DESC LIMIT %(rows)s
) AS listed ORDER BY decided_at DESC, {_KEY} DESC
"""


def _last(scanned: LiteralString) -> LiteralString:
    return f"SELECT decided_at, {_KEY} {scanned} OFFSET %(skipped)s LIMIT 1"
