"""Every reason to withhold a sync, in the order of evaluation. No I/O here.

A gate returns the sync's models that are a reason to withhold, and describes what it checked.
The first gate that returns models is the reason; all descriptions are stored with the decision.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import msgspec

from relay.dbt.runs import CANCELLED, ERROR, SUCCESS
from relay.decision.case import Case
from relay.decision.mapping import Sync
from relay.notation import write_duration

Nodes = frozenset[str]
Models = tuple[str, ...]

_NONE: Nodes = frozenset()
_ENDS = {
    SUCCESS: "the run succeeded",
    ERROR: "the run ended in error",
    CANCELLED: "the run was cancelled",
}


class Reason(StrEnum):
    """Why a sync that a run affects is triggered (`rebuilt`), or withheld."""

    SYNC_DISABLED = "sync_disabled"
    JOB_NOT_LISTED = "job_not_listed"
    ENVIRONMENT_NOT_LISTED = "environment_not_listed"
    RUN_CANCELLED = "run_cancelled"
    SAMPLE_RUN = "sample_run"
    MODEL_FAILED = "model_failed"
    PARTIAL_REBUILD = "partial_rebuild"
    TEST_FAILED = "test_failed"
    STALE_PARENT = "stale_parent"
    WAITING_FOR_MODELS = "waiting_for_models"
    COOLING_DOWN = "cooling_down"
    REBUILT = "rebuilt"


class Condition(msgspec.Struct, frozen=True, gc=False):
    """The result of one gate: the models that object, and a description of what was checked."""

    reason: Reason
    models: Models
    seen: str

    @property
    def holds(self) -> bool:
        """Whether it is a reason to withhold."""
        return bool(self.models)


@dataclass(frozen=True, slots=True)
class Gate:
    """A reason to withhold, and how it is evaluated.

    `objects` returns the models that are a reason to withhold: touched ones, or any of the sync's.
    `seen` describes what was checked, also if there are none.
    """

    reason: Reason
    objects: Callable[[Case, Sync, Nodes], Nodes]
    seen: Callable[[Case, Sync, Models], str]

    def evaluate(self, case: Case, sync: Sync, affected: Nodes) -> Condition:
        """Evaluate the gate for a sync; `affected` are its models that the run touched."""
        objecting = self.objects(case, sync, affected)
        models = case.findings.in_order(objecting) if objecting else ()
        return Condition(self.reason, models, self.seen(case, sync, models))


# The run, and whether it counts for the sync


def _is_disabled(_case: Case, sync: Sync, affected: Nodes) -> Nodes:
    return _NONE if sync.enabled else affected


def _enabled(_case: Case, sync: Sync, _models: Models) -> str:
    return f"enabled: {str(sync.enabled).lower()}"


def _job_is_not_listed(case: Case, sync: Sync, affected: Nodes) -> Nodes:
    return _NONE if sync.lists_job(case.findings.run.dbt_job_id) else affected


def _job(case: Case, sync: Sync, _models: Models) -> str:
    return f"job {case.findings.run.dbt_job_id}; {_listed(sync.jobs, of='job')}"


def _environment_is_not_listed(case: Case, sync: Sync, affected: Nodes) -> Nodes:
    return _NONE if sync.lists_environment(case.findings.run.environment_id) else affected


def _environment(case: Case, sync: Sync, _models: Models) -> str:
    listed = _listed(sync.environments, of="environment")
    return f"environment {case.findings.run.environment_id}; {listed}"


def _listed(ids: frozenset[int] | None, *, of: str) -> str:
    return f"every {of} counts" if ids is None else f"listed: {_joined(map(str, sorted(ids)))}"


def _was_cancelled(case: Case, _sync: Sync, affected: Nodes) -> Nodes:
    return affected if case.findings.run.was_cancelled else _NONE


def _end(case: Case, _sync: Sync, _models: Models) -> str:
    return _ENDS.get(case.findings.run.status, "the run ended somehow")


# What the run did to the models


def _are_sampled(case: Case, _sync: Sync, affected: Nodes) -> Nodes:
    return affected & case.findings.sampled


def _have_failed(case: Case, _sync: Sync, affected: Nodes) -> Nodes:
    return affected & case.findings.failed


def _are_partly_rebuilt(case: Case, _sync: Sync, affected: Nodes) -> Nodes:
    return affected & case.findings.partly_rebuilt


def _standings(case: Case, _sync: Sync, models: Models) -> str:
    if not models:
        return "none of its models"
    standings = case.findings.standings
    return _joined(f"{model}: {standings[model]}" for model in models)


def _failures(case: Case, sync: Sync, models: Models) -> str:
    """The standings; and the relations of models that were built in several places."""
    relations = case.findings.outcome.relations
    affected = case.affected(sync) if relations else _NONE
    built = (
        f"{model} was built as {_joined(places)}"
        for model, places in sorted(relations.items())
        if model in affected
    )
    return "; ".join((_standings(case, sync, models), *built))


def _failed_a_test(case: Case, sync: Sync, _affected: Nodes) -> Nodes:
    return case.findings.failed_their_test_of(sync) if sync.tests == "block" else _NONE


def _tests(case: Case, sync: Sync, models: Models) -> str:
    if sync.tests != "block":
        return f"tests: {sync.tests}"
    if not models:
        return "none of its models failed a test"
    failed = case.findings.failed_tests.items()
    return _joined(sorted(test for test, against in failed if not against.isdisjoint(models)))


# What earlier runs did to the models


def _are_outdated(case: Case, sync: Sync, _affected: Nodes) -> Nodes:
    if not sync.checks_parents or not case.outdated:
        return _NONE
    return case.findings.models_of(sync).intersection(case.outdated)


def _parents(case: Case, sync: Sync, models: Models) -> str:
    if not sync.checks_parents:
        return f"consistency: {sync.consistency or 'ignore (the default for names)'}"
    if not models:
        return "none is older than what it reads"
    return _joined(f"{model} is older than {case.outdated[model]}" for model in models)


def _are_missing(case: Case, sync: Sync, affected: Nodes) -> Nodes:
    return case.missing(sync, affected) if sync.require == "all" else _NONE


def _builds(case: Case, sync: Sync, models: Models) -> str:
    if sync.require != "all":
        return f"require: {sync.require}"
    until = case.history.of(sync).covers_until
    last_ran = f"the run it last ran for ended {_time(until)}" if until else "it never ran"
    waits = _joined(f"{model}: {_last_build(case, sync, model)}" for model in models)
    return f"{last_ran}; {waits or 'each of its models was rebuilt since'}"


def _last_build(case: Case, sync: Sync, model: str) -> str:
    last = case.last_build(model, sync)
    if last is None:
        return "not rebuilt yet"
    became = "rebuilt" if last.is_good else "not rebuilt"
    tested = ", failed a test" if last.failed_a_test else ""
    return f"{became} by dbt run {last.dbt_run_id}, ended {_time(last.finished_at)}{tested}"


# When the sync last ran


def _cools_down(case: Case, sync: Sync, affected: Nodes) -> Nodes:
    return affected if case.cools_down_until(sync) else _NONE


def _cool_down(case: Case, sync: Sync, _models: Models) -> str:
    if sync.at_most_every is None:
        return "at_most_every: none"
    last = case.history.of(sync).triggered_at
    started = f"last started {_time(last)}" if last else "never started"
    return f"at_most_every: {write_duration(sync.at_most_every)}; {started}"


def _joined(parts: Iterable[str]) -> str:
    return ", ".join(parts)


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")


GATES = (
    Gate(Reason.SYNC_DISABLED, _is_disabled, _enabled),
    Gate(Reason.JOB_NOT_LISTED, _job_is_not_listed, _job),
    Gate(Reason.ENVIRONMENT_NOT_LISTED, _environment_is_not_listed, _environment),
    Gate(Reason.RUN_CANCELLED, _was_cancelled, _end),
    Gate(Reason.SAMPLE_RUN, _are_sampled, _standings),
    Gate(Reason.MODEL_FAILED, _have_failed, _failures),
    Gate(Reason.PARTIAL_REBUILD, _are_partly_rebuilt, _standings),
    Gate(Reason.TEST_FAILED, _failed_a_test, _tests),
    Gate(Reason.STALE_PARENT, _are_outdated, _parents),
    Gate(Reason.WAITING_FOR_MODELS, _are_missing, _builds),
    Gate(Reason.COOLING_DOWN, _cools_down, _cool_down),
)
