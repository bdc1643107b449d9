"""Decide which syncs a dbt run triggers, which it withholds, and why. Pure: no I/O here."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from relay.artifacts import RebuiltModels, Standing
from relay.dbt_runs import DbtRun
from relay.manifest import Lineage
from relay.mapping import Sync, SyncMapping
from relay.selectors import selected

_TEST_FAILED = frozenset({"fail", "error"})


class Reason(StrEnum):
    """Why a sync a run concerns was triggered or withheld, in the order they are judged."""

    SYNC_DISABLED = "sync_disabled"
    JOB_NOT_LISTED = "job_not_listed"
    ENVIRONMENT_NOT_LISTED = "environment_not_listed"
    RUN_CANCELLED = "run_cancelled"
    SAMPLE_RUN = "sample_run"
    MODEL_FAILED = "model_failed"
    PARTIAL_REBUILD = "partial_rebuild"
    TEST_FAILED = "test_failed"
    REBUILT = "rebuilt"


@dataclass(frozen=True, slots=True)
class Answered:
    """What other attempts at the same work have triggered a sync with already.

    `before` by attempts that this run retries, `since` by attempts that retried this run and
    were decided first: webhooks come in any order.
    """

    before: frozenset[str] = frozenset()
    since: frozenset[str] = frozenset()


# By workspace and sync_id; a sync that is not in it was not triggered.
AnsweredSyncs = Mapping[tuple[str, int], Answered]


@dataclass(frozen=True, slots=True)
class Trigger:
    """A sync to trigger, because these models (unique_ids, sorted) were rebuilt."""

    sync: Sync
    because: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Withheld:
    """A sync the run concerns and does not trigger; `models` decided it."""

    sync: Sync
    reason: Reason
    models: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run means for the syncs it concerns; a sync it does not concern is in neither."""

    triggers: tuple[Trigger, ...] = ()
    withheld: tuple[Withheld, ...] = ()


def needs_lineage(run: DbtRun, rebuilt: RebuiltModels, mapping: SyncMapping) -> bool:
    """Whether `decide` needs the manifest: it is large, and most runs are decided without it.

    A sync that this job's runs do not trigger never asks for it.
    """
    if run.never_counts_because or not rebuilt.nodes:
        return False
    failed_a_test = bool(_failed_tests(rebuilt))
    return any(
        sync.needs_manifest or (failed_a_test and sync.tests == "block")
        for sync in mapping.syncs
        if sync.enabled and _not_listed(sync, run) is None
    )


def decide(
    run: DbtRun,
    rebuilt: RebuiltModels,
    mapping: SyncMapping,
    lineage: Lineage | None,
    answered: AnsweredSyncs,
) -> Plan:
    """Judge every sync of the mapping on what the run did to its own models.

    `lineage` may be None where `needs_lineage` says so. `rebuilt` holds what the run and the
    earlier attempts it retries did; what one of those has triggered a sync with does not
    concern that sync again.
    """
    if run.never_counts_because:
        return Plan()
    failed_its_test = frozenset(_models_that_failed_a_test(rebuilt, lineage))
    triggers, withheld = [], []
    for sync in mapping.syncs:
        concerned = selected(sync.depends_on, rebuilt.nodes, lineage)
        concerned -= _answered(sync, run, rebuilt, answered)
        match _judge(sync, run, rebuilt, lineage, failed_its_test, concerned):
            case Trigger() as trigger:
                triggers.append(trigger)
            case Withheld() as held:
                withheld.append(held)
    return Plan(tuple(triggers), tuple(withheld))


def _judge(
    sync: Sync,
    run: DbtRun,
    rebuilt: RebuiltModels,
    lineage: Lineage | None,
    failed_its_test: frozenset[str],
    concerned: frozenset[str],
) -> Trigger | Withheld | None:
    if not concerned:
        return None
    for reason, models in _objections(sync, run, rebuilt, lineage, failed_its_test, concerned):
        if models:
            return Withheld(sync, reason, tuple(sorted(models)))
    return Trigger(sync, because=tuple(sorted(concerned)))


def _answered(
    sync: Sync, run: DbtRun, rebuilt: RebuiltModels, answered: AnsweredSyncs
) -> frozenset[str]:
    """The nodes that another attempt has triggered the sync with, and this run did not touch."""
    of_sync = answered.get((sync.workspace, sync.sync_id), Answered())
    untouched = {each for each in of_sync.before if rebuilt.executed_in.get(each) != run.dbt_run_id}
    return of_sync.since | untouched


def _objections(
    sync: Sync,
    run: DbtRun,
    rebuilt: RebuiltModels,
    lineage: Lineage | None,
    failed_its_test: frozenset[str],
    concerned: frozenset[str],
) -> Iterator[tuple[Reason, frozenset[str]]]:
    """Every reason not to trigger, in the order judged, with the models that speak for it."""
    nothing: frozenset[str] = frozenset()
    yield Reason.SYNC_DISABLED, nothing if sync.enabled else concerned
    not_listed = _not_listed(sync, run)
    if not_listed is not None:
        yield not_listed, concerned
    yield Reason.RUN_CANCELLED, concerned if run.was_cancelled else nothing
    yield Reason.SAMPLE_RUN, concerned & rebuilt.standing(Standing.SAMPLED)
    yield Reason.MODEL_FAILED, concerned & rebuilt.standing(Standing.FAILED, Standing.SKIPPED)
    yield Reason.PARTIAL_REBUILD, concerned & rebuilt.standing(Standing.PARTIAL)
    if sync.tests == "block":
        yield Reason.TEST_FAILED, selected(sync.depends_on, failed_its_test, lineage)


def _not_listed(sync: Sync, run: DbtRun) -> Reason | None:
    if sync.jobs is not None and run.dbt_job_id not in sync.jobs:
        return Reason.JOB_NOT_LISTED
    if sync.environments is not None and run.environment_id not in sync.environments:
        return Reason.ENVIRONMENT_NOT_LISTED
    return None


def _failed_tests(rebuilt: RebuiltModels) -> tuple[str, ...]:
    return tuple(test for test, status in rebuilt.tests.items() if status in _TEST_FAILED)


def _models_that_failed_a_test(rebuilt: RebuiltModels, lineage: Lineage | None) -> Iterator[str]:
    """The models that a failed test of error severity counts against.

    A test whose models nobody knows counts against all that the run touched: never on a guess.
    """
    for test in _failed_tests(rebuilt):
        if lineage is None or test not in lineage.nodes:
            yield from rebuilt.nodes
        elif lineage.is_of_error_severity(test):
            yield from lineage.models_tested_by(test)
