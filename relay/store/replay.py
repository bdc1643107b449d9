"""Replays: evaluate a dbt run again, and which of its triggers stay as they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from relay.store.jobs import evaluate_dbt_run
from relay.store.transactions import Transactions, every
from relay.workspaces import SyncKey

MOST_NAMED = 5  # syncs of a run, where many runs are replayed


class Replayed(StrEnum):
    """The result of a request to replay a run."""

    DUE = "due"
    RUNNING = "under_way"  # it is being evaluated already


class Redo(StrEnum):
    """What a replay may trigger once more."""

    NOTHING = "nothing"  # a sync that was triggered for the run is not triggered again
    EVERYTHING = "everything"


@dataclass(frozen=True, slots=True, kw_only=True)
class Triggered:
    """A sync that was triggered for a run; `sync_run_id` is None until its sync run starts.

    `outcome` is None until that has ended; in a dry run none starts, and it is `dry_run`.
    """

    workspace: str
    sync_id: int
    sync_run_id: int | None
    outcome: str | None


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """How many syncs a replay of a run would not trigger, and the first of them."""

    syncs: int
    first: tuple[SyncKey, ...]


class Replays(Transactions):
    """Find runs to replay, show what a replay would not trigger, and replay."""

    def recorded_between(
        self, dbt_account_id: int, *, since: datetime, until: datetime
    ) -> tuple[int, ...]:
        """The runs that were first recorded in this period, oldest first."""
        with self._statement() as connection:
            rows = connection.execute(
                """
                SELECT dbt_run_id FROM relay.dbt_runs
                WHERE dbt_account_id = %s AND recorded_at >= %s AND recorded_at < %s
                ORDER BY recorded_at, dbt_run_id
                """,
                (dbt_account_id, since, until),
            )
            return tuple(dbt_run_id for (dbt_run_id,) in rows)

    def left_alone(self, dbt_account_id: int, dbt_run_id: int, redo: Redo) -> tuple[Triggered, ...]:
        """The syncs that a replay would not trigger: already triggered, or about to be."""
        key = (dbt_account_id, dbt_run_id)
        with self._statement() as connection:
            return tuple(every(connection, Triggered, _LEFT_ALONE, (*key, *key, redo)))

    def left_alone_of_each(
        self, dbt_account_id: int, dbt_run_ids: Sequence[int], redo: Redo
    ) -> "dict[int, LeftAlone]":
        """The same of many runs, by run, without those that leave nothing alone."""
        given = {
            "account": dbt_account_id,
            "runs": list(dbt_run_ids),
            "redo": redo,
            "most": MOST_NAMED,
        }
        with self._statement() as connection:
            return {
                dbt_run_id: LeftAlone(
                    syncs, tuple((workspace, int(id_)) for workspace, id_ in first)
                )
                for dbt_run_id, syncs, first in connection.execute(_LEFT_ALONE_OF_EACH, given)
            }

    def recorded(self, dbt_account_id: int, dbt_run_ids: Sequence[int]) -> frozenset[int]:
        """Those of these runs that are recorded."""
        given = (dbt_account_id, list(dbt_run_ids))
        with self._statement() as connection:
            rows = connection.execute(_RECORDED, given)
            return frozenset(dbt_run_id for (dbt_run_id,) in rows)

    def replay(self, dbt_account_id: int, dbt_run_id: int, redo: Redo) -> Replayed:
        """Evaluate a run again, or for the first time if it was not recorded."""
        key = (dbt_account_id, dbt_run_id)
        with self._transaction() as connection:
            due = connection.execute(_MAKE_DUE, key)
            if due.rowcount == 0:
                return Replayed.RUNNING
            connection.execute(
                f"UPDATE relay.triggers SET superseded = true WHERE trigger_id IN ({_SUPERSEDED})",
                (*key, redo),
            )
            evaluate_dbt_run(connection, *key)
            return Replayed.DUE


_MAKE_DUE = """
INSERT INTO relay.dbt_runs (dbt_account_id, dbt_run_id, source) VALUES (%s, %s, 'replay')
ON CONFLICT (dbt_account_id, dbt_run_id)
DO UPDATE SET planned_at = NULL, given_up_at = NULL, failures = 0, backoff_spent = 0, problem = NULL
WHERE coalesce(relay.dbt_runs.given_up_at, relay.dbt_runs.planned_at) IS NOT NULL
"""
# Refused and disabled attempts do not count as triggered. Waiting triggers are sent anyway.
_SUPERSEDED = """
SELECT trigger_id FROM relay.triggers JOIN relay.sync_runs USING (attempt_id)
WHERE (dbt_account_id, dbt_run_id) = (%s, %s) AND NOT superseded
  AND (coalesce(outcome, '') IN ('refused', 'disabled') OR %s = 'everything')
"""
# A join could read every sync run.
_LEFT_ALONE_OF_EACH = """
SELECT dbt_run_id, count(*),
       (array_agg(ARRAY[workspace, sync_id::text] ORDER BY workspace, sync_id))[1:%(most)s]
FROM relay.triggers
WHERE dbt_account_id = %(account)s AND dbt_run_id = ANY(%(runs)s) AND NOT superseded
  AND (attempt_id IS NULL OR %(redo)s <> 'everything' AND coalesce((
    SELECT outcome FROM relay.sync_runs WHERE sync_runs.attempt_id = triggers.attempt_id
  ), '') NOT IN ('refused', 'disabled'))
GROUP BY dbt_run_id
"""
_RECORDED = """
SELECT dbt_run_id FROM relay.dbt_runs WHERE dbt_account_id = %s AND dbt_run_id = ANY(%s)
"""
_LEFT_ALONE = f"""
SELECT workspace, sync_id, sync_run_id, outcome
FROM relay.triggers LEFT JOIN relay.sync_runs USING (attempt_id, workspace, sync_id)
WHERE (dbt_account_id, dbt_run_id) = (%s, %s) AND NOT superseded
  AND trigger_id NOT IN ({_SUPERSEDED})
ORDER BY workspace, sync_id
"""
