"""What a dbt run would mean for the syncs now. Nothing is done.

It calls what the worker calls: what it says is what would happen.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from relay.clock import utc_now
from relay.dbt.decoding import gc_paused
from relay.dbt.outcome import RunOutcome
from relay.dbt.runs import DbtRun, Step
from relay.decision.findings import Findings
from relay.decision.gates import Reason
from relay.decision.history import History
from relay.decision.mapping import Sync, SyncMapping, named_syncs
from relay.decision.plan import Plan, Through, Verdict, decide
from relay.errors import BadArtifact, VendorError
from relay.evidence.collect import collector_of
from relay.mapping_file import load
from relay.operations.evaluate import findings_of
from relay.postgres.connections import asking
from relay.postgres.server import Server
from relay.settings import DbtCloudSettings
from relay.store import Store
from relay.vendors.connect import dbt_cloud_of, dbt_cloud_without_downloads
from relay.workspaces import SyncKey


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a run did, and the plan that a worker would make of it now."""

    findings: Findings
    plan: Plan


@gc_paused()
def plan_run(server: Server | None, settings: DbtCloudSettings, dbt_run_id: int) -> "Planned":
    """What would be decided on a run now; without a server, as by a relay that never ran.

    Raises VendorError, BadArtifact, BadMapping, DatabaseUnavailable.
    """
    evaluation = evaluate_now(
        server, settings, load(settings.mapping, settings.census_hosts), dbt_run_id
    )
    run, outcome, plan = evaluation.findings.run, evaluation.findings.outcome, evaluation.plan
    unbound = [verdict.sync for verdict in plan.triggers if verdict.sync.is_of_every_environment]
    return Planned(
        dbt_run_id=dbt_run_id,
        never_counts=run.never_counts_because,
        rebuilt=outcome.rebuilt,
        failed=outcome.failed,
        verdicts=tuple(map(PlannedSync.of, (*plan.triggers, *plan.withheld))),
        problem=plan.problem,
        unclear=Unclear.of(outcome),
        warnings=tuple(_warnings(settings, run, unbound)),
    )


def _warnings(settings: DbtCloudSettings, run: DbtRun, unbound: list[Sync]) -> Iterator[str]:
    """That syncs for which every environment counts are triggered by one that is no production."""
    where = _why_not_production(settings, run.environment_id) if unbound else None
    if where:
        yield (
            f"this run is {where}, and triggers {named_syncs(unbound)}: neither `jobs` nor "
            "`environments` is set there; if only production is to trigger, write `defaults: "
            "{environments: [ID]}` into the mapping file"
        )


def _why_not_production(settings: DbtCloudSettings, environment_id: int | None) -> str | None:
    """What is known of a run's environment; None where it is marked as production."""
    if environment_id is None:
        return "of no environment that dbt Cloud names"
    try:
        environment = dbt_cloud_without_downloads(settings).get_environment(environment_id)
    except (VendorError, BadArtifact) as exc:
        return f"of environment {environment_id}, which may not be production ({exc})"
    if environment.is_production:
        return None
    kind = environment.deployment_type or "not marked as production"
    return f"of environment {environment_id} ({environment.name}: {kind})"


def evaluate_now(
    server: Server | None, settings: DbtCloudSettings, mapping: SyncMapping, dbt_run_id: int
) -> Evaluation:
    """Evaluate a run as a worker would, and record nothing."""
    now = utc_now()
    collector = collector_of(settings, dbt_cloud_of(settings))
    with findings_of(collector, dbt_run_id, mapping, now=now) as findings:
        history = _history(server, findings, mapping) if server else History()
        return Evaluation(findings, decide(findings, mapping, history, now=now))


def _history(server: Server, findings: Findings, mapping: SyncMapping) -> History:
    looks_back_at = findings.looks_back_at(mapping)
    with asking(server) as connections:
        return Store(connections).decisions.history(findings.run, mapping, looks_back_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedSync:
    """What becomes of a sync. `until` is when a cool-down ends; None for all other reasons."""

    workspace: str
    sync_id: int
    reason: Reason
    models: tuple[str, ...]
    through: Through
    until: datetime | None

    @classmethod
    def of(cls, verdict: Verdict) -> "PlannedSync":
        """A verdict, for a person or a pipe."""
        return cls(
            workspace=verdict.sync.workspace,
            sync_id=verdict.sync.sync_id,
            reason=verdict.reason,
            models=verdict.models,
            through=verdict.through,
            until=None if verdict.reason is Reason.REBUILT else verdict.due_at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class UnclearStep:
    """A step that did more than its files say: what is unknown of it, and what to do."""

    step: int
    command: str
    problem: str

    @classmethod
    def of(cls, step: Step, problem: str) -> "UnclearStep":
        """A step, by its index and command; by its name where it has none."""
        return cls(step=step.index, command=step.command or step.name, problem=problem)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unclear:
    """What a run's files leave open; the worker logs the same.

    `without_results` rebuilt something, and `tests_unknown` tested it, without a file of their own;
    `not_of_this_run` are the indexes of steps that served a file of another run or step.
    `unknown_statuses` has one node for each, `relations` the places of nodes that have several.
    """

    without_results: tuple[UnclearStep, ...]
    tests_unknown: tuple[UnclearStep, ...]
    not_of_this_run: tuple[int, ...]
    unknown_statuses: Mapping[str, str]
    relations: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, outcome: RunOutcome) -> "Unclear":
        """What a run's outcome says of itself."""
        without, tests = outcome.without_results, outcome.unaccounted_tests
        return cls(
            without_results=tuple(UnclearStep.of(one, outcome.problem_of(one)) for one in without),
            tests_unknown=tuple(UnclearStep.of(one.step, one.problem) for one in tests),
            not_of_this_run=outcome.not_of_this_run,
            unknown_statuses=outcome.unknown_statuses,
            relations=outcome.relations,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What a dbt run rebuilt, and what that means. `never_counts` is why it means nothing.

    `problem` names the syncs that could not be decided; None if all could. `warnings` are what the
    mapping file may not mean.
    """

    dbt_run_id: int
    never_counts: str | None
    rebuilt: list[str]
    failed: list[str]
    verdicts: tuple[PlannedSync, ...]
    unclear: Unclear
    problem: str | None = None
    warnings: tuple[str, ...] = ()

    @property
    def affects_nothing(self) -> bool:
        """Whether every sync was decided, and none of them is affected by a run that counts."""
        return not (self.never_counts or self.problem or self.verdicts)

    def without(self, syncs: Collection[SyncKey]) -> "Planned":
        """The same, but for these syncs, by workspace and id."""
        left = (sync for sync in self.verdicts if (sync.workspace, sync.sync_id) not in syncs)
        return replace(self, verdicts=tuple(left))
