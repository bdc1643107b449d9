"""Why a sync was triggered or withheld for a dbt run, or would be."""

from dataclasses import dataclass
from datetime import UTC, datetime

from relay.clock import utc_now
from relay.decision.gates import Condition, Reason
from relay.decision.plan import Through
from relay.errors import CannotDecide
from relay.mapping_file import load
from relay.operations.plan import evaluate_now
from relay.operations.sync_lookup import find_mapped
from relay.postgres.connections import single_connection
from relay.postgres.server import Server
from relay.settings import DbtCloudSettings, Settings
from relay.store import Decision, Hold, Store
from relay.store.holds import open_hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a sync was triggered or withheld for a dbt run.

    `reason` is None if the run does not affect the sync, `decided_at` if nothing is recorded and
    this is evaluated now. `never_counts` is why the run triggers no sync at all, None if it may.
    `hold` is what its trigger waits for, or has waited for; None if it was not held.
    """

    workspace: str
    sync_id: int
    dbt_run_id: int
    decided_at: datetime | None
    reason: Reason | None
    models: tuple[str, ...]
    through: Through
    conditions: tuple[Condition, ...]
    never_counts: str | None = None
    hold: Hold | None = None


def explain_sync(
    server: Server,
    settings: Settings,
    *,
    workspace: str,
    sync_id: int,
    dbt_run_id: int | None,
) -> Explanation | None:
    """Why a sync was, or would be, triggered or withheld for a run.

    Without a run it is the last one that affected the sync; None if there was none. A recorded
    decision is reported as it was; only without one is dbt Cloud asked, and are its settings
    needed. Raises NotMapped for a sync that has no decision and is not in the mapping, otherwise
    as `plan_run` does.
    """
    with single_connection(server) as connections:
        store = Store(connections)
        decision = store.decisions.find(workspace, sync_id, dbt_run_id)
        if decision is not None:
            run = decision.dbt_run_id
            hold = store.holds.of_decision(workspace, sync_id, run, now=utc_now())
            return _as_decided(decision, hold)
    mapping = load(settings.mapping, settings.census_hosts)
    sync = find_mapped(mapping, settings.mapping, workspace, sync_id)
    if dbt_run_id is None:
        return None
    evaluation = evaluate_now(server, settings.extended_to(DbtCloudSettings), mapping, dbt_run_id)
    verdict = evaluation.plan.verdict_on(sync)
    if (undecided := evaluation.plan.undecided_on(sync)) is not None:
        raise CannotDecide(f"sync {sync_id}: {undecided.problem}") from undecided.cause
    return Explanation(
        workspace=workspace,
        sync_id=sync_id,
        dbt_run_id=dbt_run_id,
        decided_at=None,
        reason=verdict.reason if verdict else None,
        models=verdict.models if verdict else (),
        through=verdict.through if verdict else {},
        conditions=verdict.conditions if verdict else (),
        never_counts=evaluation.findings.run.never_counts_because,
        hold=open_hold(evaluation.holds, sync.key) if verdict else None,
    )


def _as_decided(decision: Decision, hold: Hold | None) -> Explanation:
    return Explanation(
        workspace=decision.workspace,
        sync_id=decision.sync_id,
        dbt_run_id=decision.dbt_run_id,
        decided_at=decision.decided_at.astimezone(UTC),
        reason=decision.reason,
        models=decision.models,
        through={view: tuple(nodes) for view, nodes in decision.through.items()},
        conditions=decision.conditions,
        hold=hold,
    )
