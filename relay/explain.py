"""`relay plan` and `relay explain`: what a dbt run means for the syncs, and why. Nothing is done.

They call what the worker calls: what they print is what would happen, or what did.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from relay.clock import utc_now
from relay.database import Server, asking
from relay.dbt.artifacts import Standing
from relay.dbt.decoding import garbage_uncollected
from relay.decision.conditions import Condition
from relay.decision.judge import Reason, Trigger, Withheld
from relay.decision.mapping import Sync, SyncMapping, told_id
from relay.decision.plan import Case, Plan
from relay.errors import BadMapping, Problem
from relay.examine import Examined, counted
from relay.mapping_file import load
from relay.services import dbt_cloud_of, examiner_of
from relay.settings import Settings
from relay.status import table
from relay.store import Decision, find_decision, read_history

MOST_NAMED = 3  # models in a table's cell

Through = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What becomes of a sync. `until` is when a cool-down ends; None for all other reasons."""

    workspace: str
    sync_id: int
    reason: Reason
    models: tuple[str, ...]
    through: Through
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What a dbt run rebuilt, and what that means. `never_counts` is why it means nothing."""

    dbt_run_id: int
    never_counts: str | None
    rebuilt: list[str]
    failed: list[str]
    verdicts: tuple[Verdict, ...]

    def without(self, syncs: Collection[tuple[str, int]]) -> "Planned":
        """The same, but for these syncs, by workspace and id."""
        left = (each for each in self.verdicts if (each.workspace, each.sync_id) not in syncs)
        return replace(self, verdicts=tuple(left))


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a sync was triggered or withheld for a dbt run; `reason` None: it does not concern it.

    `decided_at` is None for what was not decided, but would be now; `never_counts` is why the
    run means nothing to any sync, None if it may.
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


@garbage_uncollected()
def plan_run(server: Server, settings: Settings, dbt_run_id: int) -> Planned:
    """What would be decided on a run now. Raises VendorError, BadArtifact, BadMapping, …"""
    examined, plan = _decided_now(server, settings, load(settings.mapping), dbt_run_id)
    return Planned(
        dbt_run_id=dbt_run_id,
        never_counts=examined.run.never_counts_because,
        rebuilt=counted(examined.rebuilt, Standing.REBUILT),
        failed=counted(examined.rebuilt, Standing.FAILED, Standing.SKIPPED, Standing.PARTIAL),
        verdicts=tuple(_verdict(each, plan) for each in plan.verdicts),
    )


def explain_sync(
    server: Server, settings: Settings, *, workspace: str, sync_id: int, dbt_run_id: int | None
) -> Explanation | None:
    """Why a sync was, or would be, triggered or withheld for a run.

    Without a run it is the last one that concerned the sync; None if there was none. What was
    decided is told as it was seen then. Raises as `plan_run` does.
    """
    with asking(server) as connection:
        decision = find_decision(connection, workspace, sync_id, dbt_run_id)
    if decision is not None:
        return _as_decided(decision)
    if dbt_run_id is None:
        return None
    mapping = load(settings.mapping)
    sync = _mapped(mapping, settings, workspace, sync_id)
    examined, plan = _decided_now(server, settings, mapping, dbt_run_id)
    verdict = next((_verdict(each, plan) for each in plan.verdicts if each.sync == sync), None)
    return Explanation(
        workspace=workspace,
        sync_id=sync_id,
        dbt_run_id=dbt_run_id,
        decided_at=None,
        reason=verdict.reason if verdict else None,
        models=verdict.models if verdict else (),
        through=verdict.through if verdict else {},
        conditions=plan.conditions(sync),
        never_counts=examined.run.never_counts_because,
    )


def describe_plan(planned: Planned) -> str:
    """A table, a line for each sync that the run concerns."""
    if planned.never_counts:
        return f"dbt run {planned.dbt_run_id} never counts: {planned.never_counts}"
    rows = [
        (
            told_id(each.workspace, each.sync_id),
            "trigger" if each.reason is Reason.REBUILT else f"withhold: {each.reason}",
            _few(each.models),
        )
        for each in planned.verdicts
    ]
    did = f"{len(planned.rebuilt)} rebuilt, {len(planned.failed)} failed or skipped"
    return "\n".join(
        (f"dbt run {planned.dbt_run_id}: {did}", *table(("sync", "decision", "models"), rows))
    )


def describe_explanation(explained: Explanation) -> str:
    """Each condition with what was seen, then the verdict and the models that decided it."""
    at = explained.decided_at
    when = f"decided {at:%Y-%m-%d %H:%M:%S} UTC" if at else "as it would be decided now"
    sync = told_id(explained.workspace, explained.sync_id)
    heading = f"sync {sync}, dbt run {explained.dbt_run_id}, {when}"
    if explained.never_counts is not None:
        return f"{heading}\nthe run never counts: {explained.never_counts}"
    if explained.reason is None:
        return f"{heading}\nnot concerned: the run executed none of its models"
    rows = [
        (each.reason, "yes" if each.holds else "no", each.seen) for each in explained.conditions
    ]
    verdict = "triggered" if explained.reason is Reason.REBUILT else f"withheld: {explained.reason}"
    return "\n".join(
        (heading, *table(("condition", "holds", "seen"), rows), verdict, *_models(explained))
    )


def _decided_now(
    server: Server, settings: Settings, mapping: SyncMapping, dbt_run_id: int
) -> tuple[Examined, Plan]:
    now = utc_now()
    examiner = examiner_of(settings, dbt_cloud_of(settings))
    examined = examiner.examine(dbt_run_id)
    run = examined.run
    with examiner.lineage(examined, mapping, now=now) as lineage:
        case = Case(run, examined.rebuilt, mapping, lineage, now=now)
        with asking(server) as connection:
            history = read_history(connection, run, mapping, case.looks_back_at)
        return examined, case.decide(history)


def _verdict(each: Trigger | Withheld, plan: Plan) -> Verdict:
    return Verdict(
        workspace=each.sync.workspace,
        sync_id=each.sync.sync_id,
        reason=each.reason,
        models=each.models,
        through=plan.through(each.models),
        until=each.until,
    )


def _as_decided(decision: Decision) -> Explanation:
    return Explanation(
        workspace=decision.workspace,
        sync_id=decision.sync_id,
        dbt_run_id=decision.dbt_run_id,
        decided_at=decision.decided_at.astimezone(UTC),
        reason=decision.reason,
        models=decision.models,
        through={view: tuple(nodes) for view, nodes in decision.through.items()},
        conditions=decision.conditions,
    )


def _mapped(mapping: SyncMapping, settings: Settings, workspace: str, sync_id: int) -> Sync:
    sync = mapping.sync(workspace, sync_id)
    if sync is None:
        where, what = str(settings.mapping), f"has no sync {sync_id} of workspace {workspace!r}"
        raise BadMapping((Problem(where, what),))
    return sync


def _few(models: tuple[str, ...]) -> str:
    more = len(models) - MOST_NAMED
    return ", ".join(models[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _models(explained: Explanation) -> Iterator[str]:
    for model in explained.models:
        behind = explained.through.get(model)
        yield f"  {model}" + (f", through {', '.join(behind)}" if behind else "")
