"""All that was judged of a sync, in words: each condition, and what was seen. No I/O here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from relay.dbt.runs import CANCELLED, ERROR, SUCCESS
from relay.decision.judge import Judge, Reason
from relay.decision.mapping import Sync
from relay.notation import write_duration

Models = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Condition:
    """One reason to withhold: the models that speak for it, and what was seen, in words.

    It holds where there are such models; the first that holds decides.
    """

    reason: Reason
    models: Models
    seen: str

    @property
    def holds(self) -> bool:
        return bool(self.models)


def conditions(judge: Judge, sync: Sync) -> tuple[Condition, ...]:
    """Every condition, in the order judged; nothing where the run does not concern the sync."""
    concerned = judge.concerned(sync)
    if not concerned:
        return ()
    objections = dict(judge.objections(sync, concerned))
    found = ((reason, judge.in_order(objections.get(reason, frozenset()))) for reason in _SEEN)
    return tuple(
        Condition(reason, models, _SEEN[reason](judge, sync, models)) for reason, models in found
    )


def _enabled(_judge: Judge, sync: Sync, _models: Models) -> str:
    return f"enabled: {str(sync.enabled).lower()}"


def _job(judge: Judge, sync: Sync, _models: Models) -> str:
    return f"job {judge.run.dbt_job_id}; {_listed(sync.jobs)}"


def _environment(judge: Judge, sync: Sync, _models: Models) -> str:
    return f"environment {judge.run.environment_id}; {_listed(sync.environments)}"


def _listed(ids: frozenset[int] | None) -> str:
    return "every one counts" if ids is None else f"listed: {', '.join(map(str, sorted(ids)))}"


def _end(judge: Judge, _sync: Sync, _models: Models) -> str:
    ends = {SUCCESS: "succeeded", ERROR: "ended in error", CANCELLED: "was cancelled"}
    return f"the run {ends.get(judge.run.status, 'ended somehow')}"


def _standings(judge: Judge, _sync: Sync, models: Models) -> str:
    return ", ".join(f"{each}: {judge.standings[each]}" for each in models) or "none of its models"


def _tests(judge: Judge, sync: Sync, models: Models) -> str:
    if sync.tests != "block":
        return f"tests: {sync.tests}"
    failed = (test for test, against in judge.failed_tests.items() if against & set(models))
    return ", ".join(sorted(failed)) or "none of its models failed a test"


def _parents(judge: Judge, sync: Sync, models: Models) -> str:
    if not sync.checks_parents:
        return f"consistency: {sync.consistency or 'ignore, for names alone'}"
    outdated = judge.freshness.outdated
    return (
        ", ".join(f"{each} is older than {outdated[each]}" for each in models)
        or "none is older than what it reads"
    )


def _builds(judge: Judge, sync: Sync, models: Models) -> str:
    if sync.require != "all":
        return f"require: {sync.require}"
    ran_for = judge.history.of(sync).ran_for
    waits = ", ".join(f"{each}: {_last_build(judge, sync, each)}" for each in models)
    last_ran = f"the run it last ran for ended {_time(ran_for)}" if ran_for else "it never ran"
    return f"{last_ran}; {waits or 'each of its models was rebuilt since'}"


def _last_build(judge: Judge, sync: Sync, node: str) -> str:
    last = judge.last_build(node, sync)
    if last is None:
        return "not rebuilt yet"
    became = "rebuilt" if last.is_good else "not rebuilt"
    tested = ", failed a test" if last.failed_a_test else ""
    return f"{became} by dbt run {last.dbt_run_id}, ended {_time(last.finished_at)}{tested}"


def _cool_down(judge: Judge, sync: Sync, _models: Models) -> str:
    if sync.at_most_every is None:
        return "at_most_every: none"
    last = judge.history.of(sync).triggered_at
    started = f"last started {_time(last)}" if last else "never started"
    return f"at_most_every: {write_duration(sync.at_most_every)}; {started}"


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")


# Every reason to withhold, in the order judged.
_SEEN: Mapping[Reason, Callable[[Judge, Sync, Models], str]] = {
    Reason.SYNC_DISABLED: _enabled,
    Reason.JOB_NOT_LISTED: _job,
    Reason.ENVIRONMENT_NOT_LISTED: _environment,
    Reason.RUN_CANCELLED: _end,
    Reason.SAMPLE_RUN: _standings,
    Reason.MODEL_FAILED: _standings,
    Reason.PARTIAL_REBUILD: _standings,
    Reason.TEST_FAILED: _tests,
    Reason.STALE_PARENT: _parents,
    Reason.WAITING_FOR_MODELS: _builds,
    Reason.COOLING_DOWN: _cool_down,
}
