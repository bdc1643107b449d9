"""Judge a sync on what one dbt run did: every reason to withhold it, in order. No I/O here."""

import copy
import functools
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar

from relay.dbt.artifacts import RebuiltModels, Standing
from relay.dbt.manifest import Lineage
from relay.dbt.runs import DbtRun
from relay.dbt.selection import Selection
from relay.dbt.views import Views
from relay.decision.consistency import Freshness, read_by
from relay.decision.history import Build, History
from relay.decision.mapping import Sync

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
    STALE_PARENT = "stale_parent"
    WAITING_FOR_MODELS = "waiting_for_models"
    COOLING_DOWN = "cooling_down"
    REBUILT = "rebuilt"


@dataclass(frozen=True, slots=True)
class Trigger:
    """A sync to trigger, because these models (unique_ids, sorted) were rebuilt.

    `ran_for` is when the newest run whose rebuilds it takes in had finished: what is rebuilt
    later counts for the next one. None for the deciding run.
    """

    sync: Sync
    models: tuple[str, ...]
    ran_for: datetime | None = None

    reason: ClassVar[Reason] = Reason.REBUILT
    until: ClassVar[None] = None


@dataclass(frozen=True, slots=True)
class Withheld:
    """A sync the run concerns and does not trigger; `models` decided it.

    `until` is when a cool-down ends and it is triggered after all; None for the other reasons.
    `ran_for` is then that trigger's.
    """

    sync: Sync
    reason: Reason
    models: tuple[str, ...]
    until: datetime | None = None
    ran_for: datetime | None = None


Objection = tuple[Reason, frozenset[str]]


class Judge:
    """What a run did, gathered once; then sync after sync is judged on it."""

    def __init__(
        self, run: DbtRun, rebuilt: RebuiltModels, lineage: Lineage | None, now: datetime
    ) -> None:
        self.run = run
        self.rebuilt = rebuilt
        self.lineage = lineage or Lineage({})
        self.history = History()
        self._now = now
        self.views = Views(rebuilt, self.lineage)
        self.standings = {**rebuilt.nodes, **self.views.standings}
        self._against = tuple(_against(self.standings))
        executed = rebuilt.nodes.keys()
        self._touched = Selection(executed, lineage, views=self.standings.keys() - executed)
        self.failed_tests = _failed_tests(rebuilt, self.lineage, self.standings.keys())
        self._failed_its_test = frozenset[str]().union(*self.failed_tests.values())
        self._tested = Selection(self._failed_its_test, lineage)
        self._ordered: dict[frozenset[str], tuple[str, ...]] = {}

    def told(self, history: History) -> "Judge":
        """The same judge, told what was before."""
        told = copy.copy(self)
        told.history = history
        return told

    def looks_back_at(self, syncs: Iterable[Sync]) -> frozenset[str]:
        """The nodes whose earlier builds bear on these syncs, as far as the run concerns them."""
        looking = [
            sync
            for sync in syncs
            if (sync.require == "all" or sync.checks_parents) and self.concerned(sync)
        ]
        # Many syncs have the same words.
        words = {sync.depends_on for sync in looking}
        models = frozenset[str]().union(*map(self._waited_for.selected, words))
        read = (read_by(self.lineage, model) for model in models)
        return models.union(*read) if any(sync.checks_parents for sync in looking) else models

    def verdict(self, sync: Sync) -> Trigger | Withheld | None:
        """What becomes of the sync; None where the run does not concern it."""
        concerned = self.concerned(sync)
        if not concerned:
            return None
        for reason, models in self.objections(sync, concerned):
            if models:
                until = self._cooled_down_at(sync) if reason is Reason.COOLING_DOWN else None
                return Withheld(sync, reason, self.in_order(models), until, self._ran_for(sync))
        return Trigger(sync, self.in_order(concerned), self._ran_for(sync))

    def build(self, node: str) -> Build:
        """What the run did to a node, for later decisions that look back at it."""
        attempt = self.run.attempt(self.rebuilt.executed_in.get(node))
        rebuild = self.rebuilt.rebuild(node)
        return Build(
            dbt_run_id=attempt.dbt_run_id,
            dbt_job_id=attempt.dbt_job_id,
            environment_id=attempt.environment_id,
            finished_at=attempt.finished_at or self._now,
            is_good=self.standings.get(node, Standing.REBUILT) is Standing.REBUILT,
            failed_a_test=node in self._failed_its_test,
            began=rebuild.began if rebuild else None,
            ended=rebuild.ended if rebuild else None,
        )

    def concerned(self, sync: Sync) -> frozenset[str]:
        """What the run did to the sync's models, without what another attempt answered for."""
        touched = self._touched.selected(sync.depends_on)
        history = self.history.of(sync)
        if not (history.answered_before or history.answered_since):
            return touched
        before = {each for each in history.answered_before if not self._touched_by_this_run(each)}
        return touched - history.answered_since - before

    def objections(self, sync: Sync, concerned: frozenset[str]) -> Iterator[Objection]:
        """Every reason not to trigger, in the order judged, with the models that speak for it."""
        if not sync.enabled:
            yield Reason.SYNC_DISABLED, concerned
        not_listed = job_or_environment_not_listed(sync, self.run)
        if not_listed is not None:
            yield not_listed, concerned
        if self.run.was_cancelled:
            yield Reason.RUN_CANCELLED, concerned
        for reason, nodes in self._against:
            yield reason, concerned & nodes
        if sync.tests == "block":
            yield Reason.TEST_FAILED, self._tested.selected(sync.depends_on)
        if self.freshness.outdated and sync.checks_parents:
            selected = self._waited_for.selected(sync.depends_on)
            yield Reason.STALE_PARENT, selected.intersection(self.freshness.outdated)
        if sync.require == "all":
            yield Reason.WAITING_FOR_MODELS, frozenset(self._missing(sync, concerned))
        if self._cooled_down_at(sync) is not None:
            yield Reason.COOLING_DOWN, concerned

    @functools.cached_property
    def freshness(self) -> Freshness:
        """Which models are older than a rebuild of what they read."""
        return Freshness(self.run, self.rebuilt, self.lineage, self.history)

    # Where all of the models are required

    @functools.cached_property
    def _waited_for(self) -> Selection:
        return Selection(self.lineage.rebuildable.keys(), self.lineage)

    def _missing(self, sync: Sync, concerned: frozenset[str]) -> Iterator[str]:
        """The models that were not rebuilt since the sync last ran, or too long ago."""
        for node in self._waited_for.selected(sync.depends_on) - concerned:
            if node not in self.rebuilt.reused and not self._was_built_before(node, sync):
                yield node

    def last_build(self, node: str, sync: Sync) -> Build | None:
        """What the last earlier run that counts for the sync did to a node; None if none did."""
        builds = self.history.builds.get(node, ())
        counting = [each for each in builds if job_or_environment_not_listed(sync, each) is None]
        return max(counting, key=lambda each: each.finished_at, default=None)

    def _was_built_before(self, node: str, sync: Sync) -> bool:
        last = self.last_build(node, sync)
        if last is None or not last.is_good or (last.failed_a_test and sync.tests == "block"):
            return False
        ran_for = self.history.of(sync).ran_for
        earliest = (self.run.finished_at or self._now) - timedelta(seconds=sync.within)
        return last.finished_at >= earliest and (ran_for is None or last.finished_at > ran_for)

    def _ran_for(self, sync: Sync) -> datetime | None:
        """Webhooks come in any order: a rebuild taken in may be of a later run than this one."""
        if sync.require != "all":
            return None
        nodes = self._waited_for.selected(sync.depends_on)
        builds = (build for node in nodes if (build := self.last_build(node, sync)))
        finished = self.run.finished_at or self._now
        return max((finished, *(build.finished_at for build in builds)))

    # Where a sync may run only so often

    def _cooled_down_at(self, sync: Sync) -> datetime | None:
        """When the sync's cool-down ends; None where it has none, or it is over."""
        triggered_at = self.history.of(sync).triggered_at
        if sync.at_most_every is None or triggered_at is None:
            return None
        at = triggered_at + timedelta(seconds=sync.at_most_every)
        return at if at > self._now else None

    # What they share

    def _touched_by_this_run(self, node: str) -> bool:
        behind = self.views.read_by(node) if node in self.views.standings else (node,)
        return any(self.rebuilt.executed_in.get(each) == self.run.dbt_run_id for each in behind)

    def in_order(self, models: frozenset[str]) -> tuple[str, ...]:
        """Many syncs of a large mapping have a tag or a folder in common, and so their models."""
        if models not in self._ordered:
            self._ordered[models] = tuple(sorted(models))
        return self._ordered[models]


def job_or_environment_not_listed(sync: Sync, run: DbtRun | Build) -> Reason | None:
    """Why a run of this job, in this environment, does not count for the sync; None if it does."""
    if sync.jobs is not None and run.dbt_job_id not in sync.jobs:
        return Reason.JOB_NOT_LISTED
    if sync.environments is not None and run.environment_id not in sync.environments:
        return Reason.ENVIRONMENT_NOT_LISTED
    return None


def failed_a_test(rebuilt: RebuiltModels) -> bool:
    """Whether the last result of some test was a failure, whatever its severity."""
    return not _TEST_FAILED.isdisjoint(rebuilt.tests.values())


def _against(standings: Mapping[str, Standing]) -> Iterator[Objection]:
    """The nodes that speak against a trigger, if there are any, in the order judged."""
    for reason, worse in (
        (Reason.SAMPLE_RUN, (Standing.SAMPLED,)),
        (Reason.MODEL_FAILED, (Standing.FAILED, Standing.SKIPPED)),
        (Reason.PARTIAL_REBUILD, (Standing.PARTIAL,)),
    ):
        nodes = frozenset(node for node, standing in standings.items() if standing in worse)
        if nodes:
            yield reason, nodes


def _failed_tests(
    rebuilt: RebuiltModels, lineage: Lineage, touched: Collection[str]
) -> Mapping[str, frozenset[str]]:
    """The failed tests of error severity, each with the models that it counts against.

    A test whose models nobody knows counts against all that the run touched: never on a guess.
    """
    return {
        test: lineage.models_tested_by(test) if test in lineage.nodes else frozenset(touched)
        for test, status in rebuilt.tests.items()
        if status in _TEST_FAILED and lineage.is_of_error_severity(test)
    }
