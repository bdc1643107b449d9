"""Which syncs a dbt run would trigger now. Nothing is triggered.

It calls the same functions as the worker.
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
from relay.evidence.collect import Collector, collector_of
from relay.mapping_file import load
from relay.operations.evaluate import findings_of
from relay.postgres.connections import single_connection
from relay.postgres.server import Server
from relay.settings import DbtCloudSettings
from relay.store import Hold, Store
from relay.store.holds import open_hold
from relay.vendors.connect import dbt_cloud_of, dbt_cloud_without_downloads
from relay.workspaces import SyncKey


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a run did, the plan that a worker would make of it now, and the open holds."""

    findings: Findings
    plan: Plan
    holds: tuple[Hold, ...]


@gc_paused()
def plan_run(server: Server | None, settings: DbtCloudSettings, dbt_run_id: int) -> "Planned":
    """What would be decided on a run now; without a server, with no history.

    Raises VendorError, BadArtifact, BadMapping, DatabaseUnavailable.
    """
    evaluation = evaluate_now(
        server, settings, load(settings.mapping, settings.census_hosts), dbt_run_id
    )
    return _planned(settings, evaluation, dbt_run_id)


def plan_with(
    store: Store,
    collector: Collector,
    settings: DbtCloudSettings,
    mapping: SyncMapping,
    dbt_run_id: int,
    *,
    now: datetime,
) -> "Planned":
    """The same, with what a worker has; raises as `plan_run` does."""
    with findings_of(collector, dbt_run_id, mapping, now=now) as findings:
        history, holds = _read(store, findings, mapping, now)
        plan = decide(findings, mapping, history, now=now)
        return _planned(settings, Evaluation(findings, plan, holds), dbt_run_id)


def _planned(settings: DbtCloudSettings, evaluation: Evaluation, dbt_run_id: int) -> "Planned":
    run, outcome, plan = evaluation.findings.run, evaluation.findings.outcome, evaluation.plan
    unbound = [verdict.sync for verdict in plan.triggers if verdict.sync.is_of_every_environment]
    return Planned(
        dbt_run_id=dbt_run_id,
        never_counts=run.never_counts_because,
        rebuilt=outcome.rebuilt,
        failed=outcome.failed,
        verdicts=tuple(
            PlannedSync.of(verdict, open_hold(evaluation.holds, verdict.sync.key))
            for verdict in (*plan.triggers, *plan.withheld)
        ),
        problem=plan.problem,
        unclear=Unclear.of(outcome),
        warnings=tuple(_warnings(settings, run, unbound)),
    )


def _warnings(settings: DbtCloudSettings, run: DbtRun, unbound: list[Sync]) -> Iterator[str]:
    """Warn if a run outside production triggers syncs that are not limited to environments."""
    where = _why_not_production(settings, run.environment_id) if unbound else None
    if where:
        yield (
            f"this run is {where}, and triggers {named_syncs(unbound)}: neither `jobs` nor "
            "`environments` is set there; if only production is to trigger, write `defaults: "
            "{environments: [ID]}` into the mapping file"
        )


def _why_not_production(settings: DbtCloudSettings, environment_id: int | None) -> str | None:
    """A description of a run's environment; None if it is marked as production."""
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
        history, holds = _stored(server, findings, mapping, now) if server else (History(), ())
        return Evaluation(findings, decide(findings, mapping, history, now=now), holds)


def _stored(
    server: Server, findings: Findings, mapping: SyncMapping, now: datetime
) -> tuple[History, tuple[Hold, ...]]:
    with single_connection(server) as connections:
        return _read(Store(connections), findings, mapping, now)


def _read(
    store: Store, findings: Findings, mapping: SyncMapping, now: datetime
) -> tuple[History, tuple[Hold, ...]]:
    nodes_needing_history = findings.nodes_needing_history(mapping)
    history = store.decisions.history(findings.run, mapping, nodes_needing_history)
    return history, store.holds.open(now=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedSync:
    """The decision on a sync. `until` is when a cool-down ends; None for other reasons.

    `hold` is the open hold that a trigger of it would wait for, None if it is not held.
    """

    workspace: str
    sync_id: int
    reason: Reason
    models: tuple[str, ...]
    through: Through
    until: datetime | None
    hold: Hold | None

    @classmethod
    def of(cls, verdict: Verdict, hold: Hold | None) -> "PlannedSync":
        """Convert a verdict."""
        return cls(
            workspace=verdict.sync.workspace,
            sync_id=verdict.sync.sync_id,
            reason=verdict.reason,
            models=verdict.models,
            through=verdict.through,
            until=None if verdict.reason is Reason.REBUILT else verdict.due_at,
            hold=hold,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class UnclearStep:
    """A step whose artifacts are incomplete: what is unknown, and what to do."""

    step: int
    command: str
    problem: str

    @classmethod
    def of(cls, step: Step, problem: str) -> "UnclearStep":
        """Convert a step; `command` is its name if it has no command."""
        return cls(step=step.index, command=step.command or step.name, problem=problem)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unclear:
    """What is unknown after reading a run's artifacts; the worker logs the same.

    `without_results` has steps that build, `tests_unknown` steps that test, without a
    run_results.json of their own; `not_of_this_run` the indexes of steps with one of another run or
    step. `unknown_statuses` has one node for each, `relations` nodes built in several places.
    """

    without_results: tuple[UnclearStep, ...]
    tests_unknown: tuple[UnclearStep, ...]
    not_of_this_run: tuple[int, ...]
    unknown_statuses: Mapping[str, str]
    relations: Mapping[str, tuple[str, ...]]

    @property
    def texts(self) -> Iterator[str]:
        """All that is unclear, in sentences."""
        for index in self.not_of_this_run:
            yield f"step {index} has a run_results.json of another run or step: it does not count"
        for step in (*self.without_results, *self.tests_unknown):
            yield f"step {step.step} ({step.command}): {step.problem}"
        for status, node in self.unknown_statuses.items():
            yield f"{node} has the status {status!r}, which relay does not know"
        for node, relations in self.relations.items():
            yield f"{node} was built in several places, of which one counts: {', '.join(relations)}"

    @classmethod
    def of(cls, outcome: RunOutcome) -> "Unclear":
        """Convert an outcome."""
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
    """What a dbt run rebuilt, and the decisions. `never_counts` is why it triggers no sync.

    `problem` names the syncs that could not be decided; None if all could. `warnings` are about
    triggers that the mapping file may not intend.
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
        """The same without these syncs, by workspace and id."""
        left = (sync for sync in self.verdicts if (sync.workspace, sync.sync_id) not in syncs)
        return replace(self, verdicts=tuple(left))
