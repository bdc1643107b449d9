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

    def derive(self, syncs: Sequence[SyncKey]) -> None:
        """Derive the state of these syncs anew."""
        with self._transaction() as connection:
            refresh(connection, syncs)

    def rebuild(self) -> list[Correction]:
        """Derive the state of every sync anew; the differences, each with the state before."""
        different: list[Correction] = []
        for key in self._every_sync():
            with self._transaction() as connection:
                before = one(connection, SyncState, _STORED_LOCKED, _arrays([key]))
                refresh(connection, [key])
                stored = one(connection, SyncState, _STORED, _arrays([key]))
                after = one(connection, SyncState, _OF, _arrays([key]))
            if after is not None and before != stored:
                different.append((before, after))
        return different

    def _every_sync(self) -> list[SyncKey]:
        with self._statement() as connection:
            return [(workspace, sync_id) for workspace, sync_id in connection.execute(_EVERY_SYNC)]


def refresh(connection: Connection, syncs: Iterable[SyncKey]) -> None:
    """Derive the state of these syncs anew, after what the transaction has changed.

    Whoever begins or withdraws an attempt need not: its triggers stay unfinished.
    """
    keys = sorted(set(syncs))
    if keys:
        connection.execute(_DERIVE, _arrays(keys))


def _arrays(keys: Sequence[SyncKey]) -> tuple[list[str], list[int]]:
    return [workspace for workspace, _ in keys], [sync_id for _, sync_id in keys]


# What is stored as `waiting` runs, if an attempt is open.
_IS_OPEN = """EXISTS (
    SELECT FROM relay.sync_runs
    WHERE (sync_runs.workspace, sync_runs.sync_id) = (sync_states.workspace, sync_states.sync_id)
      AND ended_at IS NULL)"""
BECAUSE = f"CASE WHEN because = 'waiting' AND {_IS_OPEN} THEN 'running' ELSE because END"
_BEFORE_BECAUSE = (
    "workspace, sync_id, last_rebuilt_at, behind_since, behind_dbt_account_id, behind_dbt_run_id"
)
_AFTER_BECAUSE = "due_at, last_completed_at, lag, failures, last_outcome"
_COLUMNS = f"{_BEFORE_BECAUSE}, {BECAUSE} AS because, {_AFTER_BECAUSE}"
_KEYS = "unnest(%s::text[], %s::bigint[]) AS keys (workspace, sync_id)"
_OF = f"SELECT {_COLUMNS} FROM {_KEYS} JOIN relay.sync_states USING (workspace, sync_id)"
# To compare: an attempt that begins or ends in between would make `waiting` and `running` differ.
_STORED = f"""
SELECT {_BEFORE_BECAUSE}, because, {_AFTER_BECAUSE}
FROM {_KEYS} JOIN relay.sync_states USING (workspace, sync_id)
"""
_STORED_LOCKED = f"{_STORED} FOR UPDATE OF sync_states"
_EVERY_SYNC = """
SELECT DISTINCT workspace, sync_id FROM (
    SELECT workspace, sync_id FROM relay.decisions
    UNION ALL SELECT workspace, sync_id FROM relay.triggers
    UNION ALL SELECT workspace, sync_id FROM relay.sync_runs
    UNION ALL SELECT workspace, sync_id FROM relay.sync_states
) AS known ORDER BY workspace, sync_id
"""
_DERIVE = "SELECT relay.derive_sync_states(%s, %s)"
COMPLETED = "('completed', 'completed_with_rejects')"
