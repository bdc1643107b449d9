"""Decide which syncs a dbt run triggers, which it withholds, and why. Pure: no I/O here."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from relay.artifacts import RebuiltModels, Standing
from relay.dbt_runs import DbtRun
from relay.manifest import Lineage
from relay.mapping import Sync, SyncMapping
from relay.selection import Selection
from relay.views import Views

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
    models: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Withheld:
    """A sync the run concerns and does not trigger; `models` decided it."""

    sync: Sync
    reason: Reason
    models: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run means for the syncs it concerns; a sync it does not concern is in neither.

    `views` are those that the run touched without executing them.
    """

    triggers: tuple[Trigger, ...] = ()
    withheld: tuple[Withheld, ...] = ()
    views: Views = field(default_factory=Views, repr=False, compare=False)

    def through(self, models: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """The views among these models, and what the run executed behind each."""
        views = self.views
        return {each: views.read_by(each) for each in models if each in views.standings}


def needs_lineage(run: DbtRun, rebuilt: RebuiltModels, mapping: SyncMapping) -> bool:
    """Whether `decide` needs the manifest: it is large, and most runs are decided without it.

    A name that the run executed decides alone; one that it did not execute may be a view's.
    A sync that this job's runs do not trigger never asks for it.
    """
    if run.never_counts_because or not rebuilt.nodes:
        return False
    executed = Selection(rebuilt.nodes.keys())
    was_sampled = bool(rebuilt.standing(Standing.SAMPLED))
    failed_a_test = bool(_failed_tests(rebuilt))
    return any(
        was_sampled
        or (failed_a_test and sync.tests == "block")
        or not all(map(executed.selected_by, sync.depends_on))
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
    judge = _Judge(run, rebuilt, lineage, answered)
    verdicts = [verdict for sync in mapping.syncs if (verdict := judge.verdict(sync))]
    return Plan(
        triggers=tuple(each for each in verdicts if isinstance(each, Trigger)),
        withheld=tuple(each for each in verdicts if isinstance(each, Withheld)),
        views=judge.views,
    )


class _Judge:
    """What a run did, gathered once; then sync after sync is judged on it."""

    def __init__(
        self,
        run: DbtRun,
        rebuilt: RebuiltModels,
        lineage: Lineage | None,
        answered: AnsweredSyncs,
    ) -> None:
        self._run = run
        self._rebuilt = rebuilt
        self._answered = answered
        self.views = Views(rebuilt, lineage)
        standings = {**rebuilt.nodes, **self.views.standings}
        self._against = tuple(_against(standings))
        executed = rebuilt.nodes.keys()
        self._touched = Selection(executed, lineage, views=standings.keys() - executed)
        failed_its_test = frozenset(_failed_its_test(rebuilt, lineage, standings.keys()))
        self._failed_its_test = Selection(failed_its_test, lineage)
        self._in_order: dict[frozenset[str], tuple[str, ...]] = {}

    def verdict(self, sync: Sync) -> Trigger | Withheld | None:
        """What becomes of the sync; None where the run does not concern it."""
        concerned = self._not_answered_yet(sync, self._touched.selected(sync.depends_on))
        if not concerned:
            return None
        for reason, models in self._objections(sync, concerned):
            if models:
                return Withheld(sync, reason, self._sorted(models))
        return Trigger(sync, self._sorted(concerned))

    def _objections(
        self, sync: Sync, concerned: frozenset[str]
    ) -> Iterator[tuple[Reason, frozenset[str]]]:
        """Every reason not to trigger, in the order judged, with the models that speak for it."""
        if not sync.enabled:
            yield Reason.SYNC_DISABLED, concerned
        not_listed = _not_listed(sync, self._run)
        if not_listed is not None:
            yield not_listed, concerned
        if self._run.was_cancelled:
            yield Reason.RUN_CANCELLED, concerned
        for reason, nodes in self._against:
            yield reason, concerned & nodes
        if sync.tests == "block":
            yield Reason.TEST_FAILED, self._failed_its_test.selected(sync.depends_on)

    def _sorted(self, models: frozenset[str]) -> tuple[str, ...]:
        """Many syncs of a large mapping have a tag or a folder in common, and so their models."""
        if models not in self._in_order:
            self._in_order[models] = tuple(sorted(models))
        return self._in_order[models]

    def _not_answered_yet(self, sync: Sync, touched: frozenset[str]) -> frozenset[str]:
        """Without what another attempt has triggered the sync with, and this run did not touch."""
        answered = self._answered.get((sync.workspace, sync.sync_id))
        if answered is None:
            return touched
        before = {each for each in answered.before if not self._touched_by_this_run(each)}
        return touched - answered.since - before

    def _touched_by_this_run(self, node: str) -> bool:
        behind = self.views.read_by(node) if node in self.views.standings else (node,)
        return any(self._rebuilt.executed_in.get(each) == self._run.dbt_run_id for each in behind)


def _against(standings: Mapping[str, Standing]) -> Iterator[tuple[Reason, frozenset[str]]]:
    """The nodes that speak against a trigger, if there are any, in the order judged."""
    for reason, worse in (
        (Reason.SAMPLE_RUN, (Standing.SAMPLED,)),
        (Reason.MODEL_FAILED, (Standing.FAILED, Standing.SKIPPED)),
        (Reason.PARTIAL_REBUILD, (Standing.PARTIAL,)),
    ):
        nodes = frozenset(node for node, standing in standings.items() if standing in worse)
        if nodes:
            yield reason, nodes


def _not_listed(sync: Sync, run: DbtRun) -> Reason | None:
    if sync.jobs is not None and run.dbt_job_id not in sync.jobs:
        return Reason.JOB_NOT_LISTED
    if sync.environments is not None and run.environment_id not in sync.environments:
        return Reason.ENVIRONMENT_NOT_LISTED
    return None


def _failed_tests(rebuilt: RebuiltModels) -> tuple[str, ...]:
    return tuple(test for test, status in rebuilt.tests.items() if status in _TEST_FAILED)


def _failed_its_test(
    rebuilt: RebuiltModels, lineage: Lineage | None, touched: Iterable[str]
) -> Iterator[str]:
    """The models that a failed test of error severity counts against.

    A test whose models nobody knows counts against all that the run touched: never on a guess.
    """
    for test in _failed_tests(rebuilt):
        if lineage is None or test not in lineage.nodes:
            yield from touched
        elif lineage.is_of_error_severity(test):
            yield from lineage.models_tested_by(test)
