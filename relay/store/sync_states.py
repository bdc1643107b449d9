"""The freshness of each sync, derived from its decisions, triggers and sync runs.

It is derived in each transaction that changes one of these, by the same statement that `relay
freshness --rebuild` uses for all syncs.
"""

from collections.abc import Iterable, Sequence

from relay.freshness import SyncState
from relay.store.transactions import Connection, Transactions, every, one
from relay.workspaces import SyncKey

Correction = tuple[SyncState | None, SyncState]  # the state before, None if it was missing


class SyncStates(Transactions):
    """The stored freshness of every sync that relay has decided on."""

    def all(self) -> dict[SyncKey, SyncState]:
        """The state of each sync."""
        with self._statement() as connection:
            states = every(connection, SyncState, f"SELECT {_COLUMNS} FROM relay.sync_states")
        return {state.key: state for state in states}

    def get(self, workspace: str, sync_id: int) -> SyncState | None:
        """The state of a sync; None if relay has not decided on it yet."""
        return self.of([(workspace, sync_id)]).get((workspace, sync_id))

    def of(self, syncs: Sequence[SyncKey]) -> dict[SyncKey, SyncState]:
        """The state of each of these syncs that has one."""
        with self._statement() as connection:
            states = every(connection, SyncState, _OF, _arrays(syncs))
        return {state.key: state for state in states}

    def rebuild(self) -> list[Correction]:
        """Derive the state of every sync anew; the differences, each with the state before."""
        different: list[Correction] = []
        for key in self._every_sync():
            with self._transaction() as connection:
                before = one(connection, SyncState, f"{_OF} FOR UPDATE", _arrays([key]))
                refresh(connection, [key])
                after = one(connection, SyncState, _OF, _arrays([key]))
            if after is not None and before != after:
                different.append((before, after))
        return different

    def _every_sync(self) -> list[SyncKey]:
        with self._statement() as connection:
            return [(workspace, sync_id) for workspace, sync_id in connection.execute(_EVERY_SYNC)]


def refresh(connection: Connection, syncs: Iterable[SyncKey]) -> None:
    """Derive the state of these syncs anew, after what the transaction has changed.

    The lock is a statement of its own: the next one sees what the transactions that held it have
    committed.
    """
    keys = sorted(set(syncs))
    if keys:
        connection.execute(_LOCK, _arrays(keys))
        connection.execute(_DERIVE, _arrays(keys))


def _arrays(keys: Sequence[SyncKey]) -> tuple[list[str], list[int]]:
    return [workspace for workspace, _ in keys], [sync_id for _, sync_id in keys]


_COLUMNS = (
    "workspace, sync_id, last_rebuilt_at, behind_since, behind_dbt_account_id, behind_dbt_run_id,"
    " because, due_at, last_completed_at, lag, failures, last_outcome"
)
_KEYS = "unnest(%s::text[], %s::bigint[]) AS keys (workspace, sync_id)"
_OF = f"SELECT {_COLUMNS} FROM {_KEYS} JOIN relay.sync_states USING (workspace, sync_id)"
_EVERY_SYNC = """
SELECT DISTINCT workspace, sync_id FROM (
    SELECT workspace, sync_id FROM relay.decisions
    UNION ALL SELECT workspace, sync_id FROM relay.triggers
    UNION ALL SELECT workspace, sync_id FROM relay.sync_runs
    UNION ALL SELECT workspace, sync_id FROM relay.sync_states
) AS known ORDER BY workspace, sync_id
"""
# ON CONFLICT locks the row even where its WHERE keeps it as it is.
_LOCK = f"""
INSERT INTO relay.sync_states (workspace, sync_id)
SELECT workspace, sync_id FROM {_KEYS} ORDER BY workspace, sync_id
ON CONFLICT (workspace, sync_id) DO UPDATE SET sync_id = EXCLUDED.sync_id WHERE false
"""
COMPLETED = "('completed', 'completed_with_rejects')"
FAILED = "('failed', 'canceled', 'abandoned', 'refused')"
_IS_ANSWERED = f"""EXISTS (
    SELECT FROM relay.triggers JOIN relay.sync_runs USING (attempt_id)
    WHERE (triggers.workspace, triggers.sync_id, triggers.dbt_account_id, triggers.dbt_run_id)
        = (decisions.workspace, decisions.sync_id, decisions.dbt_account_id, decisions.dbt_run_id)
      AND outcome IN {COMPLETED})"""
# A rebuild is in the tool if a completed sync run was started for it, or after the dbt run's end.
# The newest one that is not says why: its trigger waits, its sync run failed, or it has no trigger.
_DERIVE = f"""
UPDATE relay.sync_states AS state
SET last_rebuilt_at = derived.last_rebuilt_at, behind_since = derived.behind_since,
    behind_dbt_account_id = derived.dbt_account_id, behind_dbt_run_id = derived.dbt_run_id,
    because = derived.because, due_at = derived.due_at,
    last_completed_at = derived.last_completed_at, lag = derived.lag,
    failures = derived.failures, last_outcome = derived.last_outcome
FROM (
    SELECT keys.workspace, keys.sync_id, rebuilt.last_rebuilt_at,
           oldest.rebuilt_at AS behind_since, oldest.dbt_account_id, oldest.dbt_run_id,
           completed.last_completed_at, lagging.lag, failed.failures, ended.last_outcome,
           CASE WHEN NOT waiting.is_open THEN waiting.due_at END AS due_at,
           CASE WHEN oldest.rebuilt_at IS NULL THEN NULL
                WHEN waiting.is_open THEN 'running'
                WHEN waiting.due_at IS NOT NULL THEN 'waiting'
                WHEN newest.outcome IN {FAILED} THEN 'failing'
                WHEN newest.outcome = 'disabled' THEN 'sync_disabled'
                ELSE coalesce(newest.outcome, newest.reason) END AS because
    FROM {_KEYS}
    LEFT JOIN LATERAL (
        SELECT attempt_id, coalesce(sent_at, begun_at) AS reads_from,
               coalesce(completed_at, ended_at) AS last_completed_at
        FROM relay.sync_runs AS runs
        WHERE (runs.workspace, runs.sync_id) = (keys.workspace, keys.sync_id)
          AND outcome IN {COMPLETED}
        ORDER BY attempt_id DESC LIMIT 1
    ) AS completed ON true
    LEFT JOIN LATERAL (
        SELECT lag FROM relay.sync_runs AS runs
        WHERE (runs.workspace, runs.sync_id) = (keys.workspace, keys.sync_id)
          AND lag IS NOT NULL
        ORDER BY attempt_id DESC LIMIT 1
    ) AS lagging ON true
    LEFT JOIN LATERAL (
        SELECT outcome AS last_outcome FROM relay.sync_runs AS runs
        WHERE (runs.workspace, runs.sync_id) = (keys.workspace, keys.sync_id)
          AND ended_at IS NOT NULL
        ORDER BY attempt_id DESC LIMIT 1
    ) AS ended ON true
    CROSS JOIN LATERAL (
        SELECT count(*) AS failures FROM relay.sync_runs AS runs
        WHERE (runs.workspace, runs.sync_id) = (keys.workspace, keys.sync_id)
          AND attempt_id > coalesce(completed.attempt_id, 0) AND outcome IN {FAILED}
    ) AS failed
    CROSS JOIN LATERAL (
        SELECT max(rebuilt_at) AS last_rebuilt_at FROM relay.decisions
        WHERE (decisions.workspace, decisions.sync_id) = (keys.workspace, keys.sync_id)
          AND rebuilt_at IS NOT NULL
    ) AS rebuilt
    CROSS JOIN LATERAL (
        SELECT EXISTS (
            SELECT FROM relay.sync_runs AS runs
            WHERE (runs.workspace, runs.sync_id) = (keys.workspace, keys.sync_id)
              AND ended_at IS NULL
        ) AS is_open, (
            SELECT min(due_at) FROM relay.triggers
            WHERE (triggers.workspace, triggers.sync_id) = (keys.workspace, keys.sync_id)
              AND attempt_id IS NULL
        ) AS due_at
    ) AS waiting
    LEFT JOIN LATERAL (
        SELECT rebuilt_at, dbt_account_id, dbt_run_id FROM relay.decisions
        WHERE (decisions.workspace, decisions.sync_id) = (keys.workspace, keys.sync_id)
          AND rebuilt_at > coalesce(completed.reads_from, '-infinity')
          AND NOT {_IS_ANSWERED}
        ORDER BY rebuilt_at, dbt_run_id LIMIT 1
    ) AS oldest ON true
    LEFT JOIN LATERAL (
        SELECT reason, (
            SELECT outcome FROM relay.triggers JOIN relay.sync_runs USING (attempt_id)
            WHERE (triggers.workspace, triggers.sync_id, triggers.dbt_account_id,
                   triggers.dbt_run_id)
                = (decisions.workspace, decisions.sync_id, decisions.dbt_account_id,
                   decisions.dbt_run_id)
            ORDER BY trigger_id DESC LIMIT 1
        ) AS outcome
        FROM relay.decisions
        WHERE (decisions.workspace, decisions.sync_id) = (keys.workspace, keys.sync_id)
          AND oldest.rebuilt_at IS NOT NULL AND rebuilt_at >= oldest.rebuilt_at
          AND NOT {_IS_ANSWERED}
        ORDER BY rebuilt_at DESC, dbt_run_id DESC LIMIT 1
    ) AS newest ON true
) AS derived
WHERE (state.workspace, state.sync_id) = (derived.workspace, derived.sync_id)
"""
