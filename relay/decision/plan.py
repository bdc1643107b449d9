"""Decide which syncs a dbt run triggers, which it withholds, and why. Pure: no I/O here."""

import functools
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from relay.dbt.artifacts import RebuiltModels, Standing
from relay.dbt.manifest import Lineage
from relay.dbt.runs import DbtRun
from relay.dbt.selection import Selection
from relay.decision.conditions import Condition, conditions
from relay.decision.history import Build, History
from relay.decision.judge import (
    Judge,
    Trigger,
    Withheld,
    failed_a_test,
    job_or_environment_not_listed,
)
from relay.decision.mapping import Sync, SyncMapping


class Builds(Mapping[str, Build]):
    """What a run did to each node it touched; worked out when it is asked for."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._nodes = judge.standings.keys() | judge.rebuilt.reused

    def __getitem__(self, node: str) -> Build:
        return self._judge.build(node)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._nodes))

    def __len__(self) -> int:
        return len(self._nodes)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run means for the syncs it concerns; a sync it does not concern is in neither.

    `builds` is what the run did to each node, where a later decision may look back at it. The
    `judge` can tell more of each; None where there was nothing to judge.
    """

    triggers: tuple[Trigger, ...] = ()
    withheld: tuple[Withheld, ...] = ()
    builds: Mapping[str, Build] = field(default_factory=dict)
    judge: Judge | None = field(default=None, repr=False, compare=False)

    @property
    def verdicts(self) -> tuple[Trigger | Withheld, ...]:
        """What becomes of each sync that the run concerns."""
        return (*self.triggers, *self.withheld)

    def without(self, syncs: Collection[tuple[str, int]]) -> "Plan":
        """The same plan, but nothing becomes of these syncs, by workspace and id."""
        if not syncs:
            return self
        return replace(
            self,
            triggers=tuple(each for each in self.triggers if each.sync.key not in syncs),
            withheld=tuple(each for each in self.withheld if each.sync.key not in syncs),
        )

    def through(self, models: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """The views among these models, and what the run executed behind each."""
        if self.judge is None:
            return {}
        views = self.judge.views
        return {each: views.read_by(each) for each in sorted(views.standings.keys() & models)}

    def conditions(self, sync: Sync) -> tuple[Condition, ...]:
        """All that was judged of a sync, in order; nothing where the run does not concern it."""
        return conditions(self.judge, sync) if self.judge else ()


def needs_lineage(run: DbtRun, rebuilt: RebuiltModels, mapping: SyncMapping) -> bool:
    """Whether `decide` needs the manifest: it is large, and most runs are decided without it.

    A name that the run executed decides alone; one that it did not execute may be a view's.
    A sync that this job's runs do not trigger never asks for it.
    """
    if run.never_counts_because or not (rebuilt.nodes or rebuilt.reused):
        return False
    executed = Selection(rebuilt.nodes.keys())
    was_sampled = bool(rebuilt.standing(Standing.SAMPLED))
    a_test_failed = failed_a_test(rebuilt)
    return any(
        was_sampled
        or sync.require == "all"
        or sync.consistency == "block"
        or (a_test_failed and sync.tests == "block")
        or (rebuilt.nodes and not all(map(executed.selected_by, sync.depends_on)))
        for sync in mapping.syncs
        if sync.enabled and job_or_environment_not_listed(sync, run) is None
    )


class Case:
    """A run and what it did, gone through as far as that goes without what was before.

    `lineage` may be None where `needs_lineage` says so. `rebuilt` holds what the run and the
    earlier attempts it retries did; what one of those has triggered a sync with does not
    concern that sync again.
    """

    def __init__(
        self,
        run: DbtRun,
        rebuilt: RebuiltModels,
        mapping: SyncMapping,
        lineage: Lineage | None,
        *,
        now: datetime,
    ) -> None:
        self._mapping = mapping
        self._judge = None if run.never_counts_because else Judge(run, rebuilt, lineage, now)

    @functools.cached_property
    def looks_back_at(self) -> frozenset[str]:
        """The nodes whose earlier builds `decide` has to be told of."""
        return self._judge.looks_back_at(self._mapping.syncs) if self._judge else frozenset()

    def decide(self, history: History) -> Plan:
        """Judge every sync of the mapping on what the run did to its own models."""
        if self._judge is None:
            return Plan()
        judge = self._judge.told(history)
        verdicts = [verdict for sync in self._mapping.syncs if (verdict := judge.verdict(sync))]
        keeps_builds = self._mapping.looks_at_builds and not judge.run.was_cancelled
        return Plan(
            triggers=tuple(each for each in verdicts if isinstance(each, Trigger)),
            withheld=tuple(each for each in verdicts if isinstance(each, Withheld)),
            builds=Builds(judge) if keeps_builds else {},
            judge=judge,
        )


def decide(
    run: DbtRun,
    rebuilt: RebuiltModels,
    mapping: SyncMapping,
    lineage: Lineage | None,
    history: History,
    *,
    now: datetime,
) -> Plan:
    """What a run means, where all that was before is at hand."""
    return Case(run, rebuilt, mapping, lineage, now=now).decide(history)
