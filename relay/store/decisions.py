"""The decisions on a dbt run, its triggers, and what it built."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from psycopg.types.json import Jsonb

from relay.dbt.runs import DbtRun
from relay.decision.gates import Condition, Reason
from relay.decision.history import Build, History
from relay.decision.mapping import SyncMapping
from relay.decision.plan import Plan, Verdict
from relay.store.history import read_history
from relay.store.jobs import schedule_start
from relay.store.mode import Mode
from relay.store.transactions import Connection, Transactions
from relay.workspaces import SyncKey


def record_decisions(
    connection: Connection, run: DbtRun, plan: Plan, now: datetime, mode: Mode
) -> None:
    """Record a plan, with a job for every sync that is triggered later."""
    cursor = connection.cursor()
    cursor.executemany(_DECISION, [_decision(run, verdict, now) for verdict in plan.verdicts])
    cursor.executemany(_TRIGGER, [_trigger(run, verdict, now, mode) for verdict in plan.due])
    for verdict in plan.delayed:
        schedule_start(connection, *verdict.sync.key, verdict.due_at or now)


_DECISION = """
INSERT INTO relay.decisions
    (workspace, sync_id, dbt_account_id, dbt_run_id, reason, models, through, conditions,
     decided_at, rebuilt_at)
VALUES (%(workspace)s, %(sync_id)s, %(dbt_account_id)s, %(dbt_run_id)s, %(reason)s, %(models)s,
        %(through)s, %(conditions)s, %(now)s, %(rebuilt_at)s)
ON CONFLICT (workspace, sync_id, dbt_account_id, dbt_run_id)
DO UPDATE SET (reason, models, through, conditions, decided_at, rebuilt_at) =
    (EXCLUDED.reason, EXCLUDED.models, EXCLUDED.through, EXCLUDED.conditions,
     EXCLUDED.decided_at, EXCLUDED.rebuilt_at)
"""
_TRIGGER = """
INSERT INTO relay.triggers
    (workspace, sync_id, dbt_account_id, dbt_run_id, full_sync, because, through, requested_at,
     due_at, covers_until, dry_run)
VALUES (%(workspace)s, %(sync_id)s, %(dbt_account_id)s, %(dbt_run_id)s, %(full_sync)s, %(models)s,
        %(through)s, %(now)s, %(due_at)s, %(covers_until)s, %(dry_run)s)
"""


def _decision(run: DbtRun, verdict: Verdict, now: datetime) -> dict[str, object]:
    conditions = [
        [condition.reason, condition.models, condition.seen] for condition in verdict.conditions
    ]
    return {
        **_common_columns(run, verdict, now),
        "reason": verdict.reason,
        "conditions": Jsonb(conditions),
        "rebuilt_at": verdict.rebuilt_at,
    }


def _trigger(run: DbtRun, verdict: Verdict, now: datetime, mode: Mode) -> dict[str, object]:
    return {
        **_common_columns(run, verdict, now),
        "full_sync": verdict.sync.full_sync,
        "due_at": verdict.due_at,
        "covers_until": verdict.covers_until,
        "dry_run": mode is Mode.DRY_RUN,
    }


def _common_columns(run: DbtRun, verdict: Verdict, now: datetime) -> dict[str, object]:
    return {
        "workspace": verdict.sync.workspace,
        "sync_id": verdict.sync.sync_id,
        "dbt_account_id": run.dbt_account_id,
        "dbt_run_id": run.dbt_run_id,
        "models": list(verdict.models),
        "through": Jsonb(verdict.through),
        "now": now,
    }


def triggered_for(connection: Connection, run: DbtRun) -> frozenset[SyncKey]:
    """The syncs that were already triggered for a run: a replay does not trigger them again."""
    rows = connection.execute(
        """
        SELECT workspace, sync_id FROM relay.triggers
        WHERE (dbt_account_id, dbt_run_id) = (%s, %s) AND NOT superseded
        """,
        run.key,
    )
    return frozenset((workspace, sync_id) for workspace, sync_id in rows)


def record_builds(connection: Connection, run: DbtRun, plan: Plan) -> None:
    """Record what the run did to each node, unless a later run of the job is recorded."""
    connection.cursor().executemany(
        _BUILD, [_build(run, node, build) for node, build in plan.builds.items()]
    )


_BUILD = """
INSERT INTO relay.builds AS known
    (dbt_account_id, project_id, dbt_job_id, environment_id, node, dbt_run_id,
     finished_at, is_good, failed_a_test, began, ended)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (dbt_account_id, project_id, node, dbt_job_id, environment_id)
DO UPDATE SET (dbt_run_id, finished_at, is_good, failed_a_test, began, ended) =
    (EXCLUDED.dbt_run_id, EXCLUDED.finished_at, EXCLUDED.is_good, EXCLUDED.failed_a_test,
     coalesce(EXCLUDED.began, known.began), coalesce(EXCLUDED.ended, known.ended))
WHERE known.finished_at <= EXCLUDED.finished_at
"""


def _build(run: DbtRun, node: str, build: Build) -> tuple[object, ...]:
    return (
        run.dbt_account_id,
        run.project_id or 0,
        build.dbt_job_id or 0,
        build.environment_id or 0,
        node,
        build.dbt_run_id,
        build.finished_at,
        build.is_good,
        build.failed_a_test,
        build.began,
        build.ended,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A recorded decision, with what each condition saw."""

    workspace: str
    sync_id: int
    dbt_run_id: int
    reason: Reason
    models: tuple[str, ...]
    through: Mapping[str, list[str]]
    conditions: tuple[Condition, ...]
    decided_at: datetime


class Decisions(Transactions):
    """The recorded decisions, and the history that the next one needs."""

    def find(self, workspace: str, sync_id: int, dbt_run_id: int | None) -> Decision | None:
        """The decision on a sync for a dbt run, or None.

        Without a run id: the decision for the last run that affected the sync.
        """
        asked = {"workspace": workspace, "sync_id": sync_id, "dbt_run_id": dbt_run_id}
        with self._statement() as connection:
            row = connection.execute(_FIND, asked).fetchone()
        if row is None:
            return None
        found_run_id, reason, models, through, conditions, decided_at = row
        return Decision(
            workspace=workspace,
            sync_id=sync_id,
            dbt_run_id=found_run_id,
            reason=Reason(reason),
            models=tuple(models),
            through=through,
            conditions=tuple(
                Condition(Reason(word), tuple(those), seen) for word, those, seen in conditions
            ),
            decided_at=decided_at,
        )

    def history(self, run: DbtRun, mapping: SyncMapping, nodes: Collection[str]) -> History:
        """The history for a decision on this run, with the earlier builds of the given nodes."""
        with self._transaction() as connection:
            return read_history(connection, run, mapping, nodes)


_FIND = """
SELECT dbt_run_id, reason, models, through, conditions, decided_at
FROM relay.decisions
WHERE (workspace, sync_id) = (%(workspace)s, %(sync_id)s)
  AND (%(dbt_run_id)s::bigint IS NULL OR dbt_run_id = %(dbt_run_id)s)
ORDER BY decided_at DESC, dbt_run_id DESC LIMIT 1
"""
