"""What was decided on a dbt run, the triggers that are due for it, and what it built."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from psycopg.types.json import Jsonb

from relay.dbt.runs import DbtRun
from relay.decision.conditions import Condition
from relay.decision.history import History
from relay.decision.judge import Reason, Trigger, Withheld
from relay.decision.mapping import Sync, SyncMapping
from relay.decision.plan import Plan
from relay.store.history import read_history
from relay.store.jobs import schedule_start, start_sync_runs
from relay.store.transactions import Connection, Transactions


def record_decisions(connection: Connection, run: DbtRun, plan: Plan, now: datetime) -> None:
    """Record a plan, with a job for every sync to trigger, also one that cools down till then."""
    connection.cursor().executemany(
        """
        INSERT INTO relay.decisions (workspace, sync_id, dbt_account_id, dbt_run_id, reason, models,
                                     through, conditions, decided_at)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
        ON CONFLICT (workspace, sync_id, dbt_account_id, dbt_run_id)
        DO UPDATE SET (reason, models, through, conditions, decided_at) =
            (EXCLUDED.reason, EXCLUDED.models, EXCLUDED.through, EXCLUDED.conditions,
             EXCLUDED.decided_at)
        """,
        [
            (
                verdict.sync.workspace,
                verdict.sync.sync_id,
                run.dbt_account_id,
                run.dbt_run_id,
                verdict.reason,
                list(verdict.models),
                Jsonb(plan.through(verdict.models)),
                Jsonb(_conditions(plan, verdict.sync)),
                now,
            )
            for verdict in plan.verdicts
        ],
    )
    delayed = [withheld for withheld in plan.withheld if withheld.until is not None]
    to_send: list[Trigger | Withheld] = [*plan.triggers, *delayed]
    connection.cursor().executemany(
        """
        INSERT INTO relay.triggers (workspace, sync_id, dbt_account_id, dbt_run_id, full_sync,
                                    because, through, requested_at, due_at, covers_until)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
        """,
        [
            (
                verdict.sync.workspace,
                verdict.sync.sync_id,
                run.dbt_account_id,
                run.dbt_run_id,
                verdict.sync.full_sync,
                list(verdict.models),
                Jsonb(plan.through(verdict.models)),
                now,
                verdict.until or now,
                verdict.ran_for or run.finished_at or now,
            )
            for verdict in to_send
        ],
    )
    start_sync_runs(connection, [trigger.sync.key for trigger in plan.triggers])
    for withheld in delayed:
        sync = withheld.sync
        schedule_start(connection, sync.workspace, sync.sync_id, withheld.until or now)


def triggered_for(
    connection: Connection, dbt_account_id: int, dbt_run_id: int
) -> frozenset[tuple[str, int]]:
    """The syncs, by workspace and id, that have their trigger for a run; a replay keeps it so."""
    rows = connection.execute(
        """
        SELECT workspace, sync_id FROM relay.triggers
        WHERE (dbt_account_id, dbt_run_id) = (%s, %s) AND NOT superseded
        """,
        (dbt_account_id, dbt_run_id),
    )
    return frozenset((workspace, sync_id) for workspace, sync_id in rows)


def _conditions(plan: Plan, sync: Sync) -> list[list[object]]:
    return [[each.reason, list(each.models), each.seen] for each in plan.conditions(sync)]


def record_builds(connection: Connection, run: DbtRun, plan: Plan) -> None:
    """Keep what the run did to each node, unless a later run of the job is known."""
    connection.cursor().executemany(
        """
        INSERT INTO relay.builds AS known
            (dbt_account_id, project_id, dbt_job_id, environment_id, node, dbt_run_id,
             finished_at, is_good, failed_a_test, began, ended)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
        ON CONFLICT (dbt_account_id, project_id, node, dbt_job_id, environment_id)
        DO UPDATE SET (dbt_run_id, finished_at, is_good, failed_a_test, began, ended) =
            (EXCLUDED.dbt_run_id, EXCLUDED.finished_at, EXCLUDED.is_good, EXCLUDED.failed_a_test,
             coalesce(EXCLUDED.began, known.began), coalesce(EXCLUDED.ended, known.ended))
        WHERE known.finished_at <= EXCLUDED.finished_at
        """,
        [
            (
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
            for node, build in plan.builds.items()
        ],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A decision as it was recorded, with what was seen then."""

    workspace: str
    sync_id: int
    dbt_run_id: int
    reason: Reason
    models: tuple[str, ...]
    through: Mapping[str, list[str]]
    conditions: tuple[Condition, ...]
    decided_at: datetime


class Decisions(Transactions):
    """What was decided on each sync, and what the next decision looks back to."""

    def find(self, workspace: str, sync_id: int, dbt_run_id: int | None) -> Decision | None:
        """The decision on a sync for a dbt run; without an id, for the last run that concerned it.

        None if there is none.
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
        """What bears on a decision on this run; of earlier builds those of the given nodes."""
        with self._transaction() as connection:
            return read_history(connection, run, mapping, nodes)


_FIND = """
SELECT dbt_run_id, reason, models, through, conditions, decided_at
FROM relay.decisions
WHERE (workspace, sync_id) = (%(workspace)s, %(sync_id)s)
  AND (%(dbt_run_id)s::bigint IS NULL OR dbt_run_id = %(dbt_run_id)s)
ORDER BY decided_at DESC, dbt_run_id DESC LIMIT 1
"""
