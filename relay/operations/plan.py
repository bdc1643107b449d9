"""What a dbt run would mean for the syncs now. Nothing is done.

It calls what the worker calls: what it says is what would happen.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from relay.clock import utc_now
from relay.dbt.artifacts import Standing
from relay.dbt.decoding import garbage_uncollected
from relay.decision.judge import Reason, Trigger, Withheld
from relay.decision.mapping import SyncMapping
from relay.decision.plan import Case, Plan
from relay.evidence.examine import Examined, counted, examiner_of
from relay.mapping_file import load
from relay.postgres.connections import asking
from relay.postgres.server import Server
from relay.settings import Settings
from relay.store import Store
from relay.vendors.connect import dbt_cloud_of

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


@garbage_uncollected()
def plan_run(server: Server, settings: Settings, dbt_run_id: int) -> Planned:
    """What would be decided on a run now. Raises VendorError, BadArtifact, BadMapping, …"""
    examined, plan = decided_now(server, settings, load(settings.mapping), dbt_run_id)
    return Planned(
        dbt_run_id=dbt_run_id,
        never_counts=examined.run.never_counts_because,
        rebuilt=counted(examined.rebuilt, Standing.REBUILT),
        failed=counted(examined.rebuilt, Standing.FAILED, Standing.SKIPPED, Standing.PARTIAL),
        verdicts=tuple(as_verdict(each, plan) for each in plan.verdicts),
    )


def decided_now(
    server: Server, settings: Settings, mapping: SyncMapping, dbt_run_id: int
) -> tuple[Examined, Plan]:
    """What a run did, and the plan that a worker would make of it now."""
    now = utc_now()
    examiner = examiner_of(settings, dbt_cloud_of(settings))
    examined = examiner.examine(dbt_run_id)
    run = examined.run
    with examiner.lineage(examined, mapping, now=now) as lineage:
        case = Case(run, examined.rebuilt, mapping, lineage, now=now)
        with asking(server) as connections:
            history = Store(connections).decisions.history(run, mapping, case.looks_back_at)
        return examined, case.decide(history)


def as_verdict(each: Trigger | Withheld, plan: Plan) -> Verdict:
    """A verdict of the plan, for a person or a pipe."""
    return Verdict(
        workspace=each.sync.workspace,
        sync_id=each.sync.sync_id,
        reason=each.reason,
        models=each.models,
        through=plan.through(each.models),
        until=each.until,
    )
