"""What a dbt run did to the models of syncs, without history. No I/O here."""

import functools
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from relay.dbt.command_selection import may_have_executed, may_have_tested
from relay.dbt.graph import walk
from relay.dbt.manifest import Lineage
from relay.dbt.outcome import RunOutcome
from relay.dbt.rows import Standing
from relay.dbt.runs import DbtRun
from relay.dbt.selection import Selection
from relay.dbt.selectors import Selector
from relay.dbt.unaccounted import Unaccounted, UnaccountedTests
from relay.dbt.views import Views
from relay.decision.mapping import PlacedSelector, Sync, SyncMapping
from relay.workspaces import SyncKey


@dataclass(frozen=True)
class Findings:
    """A run, its outcome and the project's lineage, and what is derived from these.

    `outcome` covers the run and the earlier runs that it retries. `known_lineage` may be None if
    `needs_lineage` is false. `undecidable` are the syncs that need unknown data, each with the
    error. Derived values are computed lazily, once.
    """

    run: DbtRun
    outcome: RunOutcome
    known_lineage: Lineage | None = None
    undecidable: Mapping[SyncKey, Exception] = field(default_factory=dict)

    @functools.cached_property
    def lineage(self) -> Lineage:
        """The project's lineage; empty if it is unknown."""
        return self.known_lineage or Lineage({})

    @functools.cached_property
    def views(self) -> Views:
        """The views that the run touched without executing them."""
        return Views({**self.outcome.standings, **self.without_row}, self.lineage)

    @functools.cached_property
    def standings(self) -> Mapping[str, Standing]:
        """What the run did to each node it touched, views included."""
        return {**self.outcome.standings, **self.without_row, **self.views.standings}

    @functools.cached_property
    def without_row(self) -> Mapping[str, Standing]:
        """The nodes that a step may have executed without a row, with their standing."""
        worse = self.outcome.in_standing(Standing.SAMPLED, Standing.FAILED, Standing.SKIPPED)
        of_each = sorted(self.outcome.unaccounted, key=_is_sampled)  # a sample is the worst
        return {
            node: each.standing
            for each in of_each
            for node in self._possibly_affected_nodes(each)
            if node not in worse
        }

    def _possibly_affected_nodes(self, unaccounted: Unaccounted) -> frozenset[str]:
        nodes = may_have_executed(unaccounted.step, self.lineage) - unaccounted.known
        if not unaccounted.only_microbatches:
            return nodes
        return frozenset(node for node in nodes if self.lineage.nodes[node].is_microbatch)

    @functools.cached_property
    def sampled(self) -> frozenset[str]:
        """The touched nodes that contain a sample, and views on them."""
        return self._in_standing(Standing.SAMPLED)

    @functools.cached_property
    def failed(self) -> frozenset[str]:
        """The touched nodes that failed, were skipped because of a failure, or may have failed."""
        return self._in_standing(Standing.FAILED, Standing.SKIPPED, Standing.NO_ROW)

    @functools.cached_property
    def rebuilt(self) -> frozenset[str]:
        """The touched nodes that were rebuilt, and views on them."""
        return self._in_standing(Standing.REBUILT)

    @functools.cached_property
    def partly_rebuilt(self) -> frozenset[str]:
        """The touched nodes that failed in part."""
        return self._in_standing(Standing.PARTIAL)

    @functools.cached_property
    def failed_tests(self) -> Mapping[str, frozenset[str]]:
        """The failed tests, each with the models that it counts against.

        A `fail` status counts whatever the severity: --warn-error promotes warnings, and dbt then
        stops. An `error` status counts only if the severity is error.

        A test with unknown models counts against everything that the run touched. So do tests with
        unknown results, under the name of their step.
        """
        failed = {
            test: self._failed_by({test})
            for test in self.outcome.failed_tests
            if self.outcome.tests[test] == "fail" or self.lineage.is_of_error_severity(test)
        }
        for unaccounted in self.outcome.unaccounted_tests:
            models = self._may_have_failed_in(unaccounted)
            if models:
                failed[unaccounted.name] = models | failed.get(unaccounted.name, frozenset())
        return failed

    def _may_have_failed_in(self, unaccounted: UnaccountedTests) -> frozenset[str]:
        if not self.lineage.nodes:
            return frozenset(self.standings)
        tests = may_have_tested(unaccounted.step, self.lineage)
        return self._failed_by(tests - unaccounted.known)

    def _failed_by(self, tests: Collection[str]) -> frozenset[str]:
        """The models that a failure of these tests counts against, and the views on them."""
        if not self.lineage.nodes.keys() >= set(tests):
            return frozenset(self.standings)
        models = frozenset[str]().union(*map(self.lineage.models_tested_by, tests))
        not_executed = self.views.standings.keys()
        views = walk(models, self.lineage.views_on, passes_through=not_executed.__contains__)
        return models.union(view for view in views if view in not_executed)

    @functools.cached_property
    def failed_their_test(self) -> frozenset[str]:
        """The models that a failed test counts against."""
        return frozenset[str]().union(*self.failed_tests.values())

    def touched_by(self, sync: Sync) -> frozenset[str]:
        """The sync's models that the run touched."""
        return self._touched.selected(sync.depends_on)

    def failed_their_test_of(self, sync: Sync) -> frozenset[str]:
        """The sync's models that a failed test counts against, touched or not."""
        return self._tested.selected(sync.depends_on)

    def models_of(self, sync: Sync) -> frozenset[str]:
        """All of the sync's models in the project."""
        return self._in_the_project.selected(sync.depends_on)

    def selector_matches(self, mapping: SyncMapping) -> Iterator[tuple[PlacedSelector, bool]]:
        """Each selector of the syncs that count for the run, and whether it selects any node.

        Empty if the lineage is unknown.
        """
        selection = self._in_the_project
        for placed in mapping.placed_selectors if self.lineage.nodes else ():
            if placed.sync.counts(self.run):
                yield placed, bool(selection.selected_by(placed.selector))

    def was_touched_by_this_run(self, node: str) -> bool:
        """Whether this run, not one that it retries, executed the node or what a view reads."""
        views = self.views
        behind = views.executed_behind(node) if node in views.standings else (node,)
        if not self.without_row.keys().isdisjoint(behind):
            return True
        results = (self.outcome.nodes.get(executed) for executed in behind)
        return any(result and result.dbt_run_id == self.run.dbt_run_id for result in results)

    def nodes_needing_history(self, mapping: SyncMapping) -> frozenset[str]:
        """The nodes whose earlier builds are needed to decide the touched syncs.

        A sync whose models cannot be selected is added to `unselectable`.
        """
        if self.run.never_counts_because:
            return frozenset()
        models_of: dict[tuple[Selector, ...], frozenset[str]] = {}  # many syncs share one
        looking = [
            sync
            for sync in mapping.syncs
            if sync.needs_earlier_builds and self._is_touched(sync, models_of)
        ]
        models = frozenset[str]().union(*models_of.values())
        if not any(sync.checks_parents for sync in looking):
            return models
        return models.union(self.lineage.stored_parents(models))

    def _is_touched(
        self, sync: Sync, models_of: dict[tuple[Selector, ...], frozenset[str]]
    ) -> bool:
        """Whether the run touches the sync, whose models are then added to `models_of`."""
        try:
            if not self.touched_by(sync):
                return False
            if sync.depends_on not in models_of:
                models_of[sync.depends_on] = self.models_of(sync)
        except Exception as exc:  # noqa: BLE001 - whatever it is, it affects this sync alone
            self.unselectable[sync.key] = exc
            return False
        return True

    @functools.cached_property
    def unselectable(self) -> dict[SyncKey, Exception]:
        """The syncs whose models could not be selected, each with the unexpected error."""
        return {}

    def in_order(self, models: frozenset[str]) -> tuple[str, ...]:
        """The models sorted; cached, because many syncs share a tag or folder."""
        if models not in self._ordered:
            self._ordered[models] = tuple(sorted(models))
        return self._ordered[models]

    def through(self, models: tuple[str, ...]) -> Mapping[str, tuple[str, ...]]:
        """The views among these models, each with the executed nodes that it reads."""
        if models not in self._through:
            views = self.views
            self._through[models] = {
                model: views.executed_behind(model) for model in models if model in views.standings
            }
        return self._through[models]

    def _in_standing(self, *standings: Standing) -> frozenset[str]:
        others = (*self.without_row.items(), *self.views.standings.items())
        of_others = (node for node, how in others if how in standings)
        return self.outcome.in_standing(*standings).union(of_others)

    @functools.cached_property
    def _touched(self) -> Selection:
        executed = self.outcome.nodes.keys()
        views = self.standings.keys() - executed
        return Selection(executed, self.known_lineage, views=views)

    @functools.cached_property
    def _tested(self) -> Selection:
        return Selection(self.failed_their_test, self.known_lineage)

    @functools.cached_property
    def _in_the_project(self) -> Selection:
        return Selection(self.lineage.rebuildable.keys(), self.lineage)

    @functools.cached_property
    def _ordered(self) -> dict[frozenset[str], tuple[str, ...]]:
        return {}

    @functools.cached_property
    def _through(self) -> dict[tuple[str, ...], Mapping[str, tuple[str, ...]]]:
        return {}


def _is_sampled(unaccounted: Unaccounted) -> bool:
    return unaccounted.standing is Standing.SAMPLED


def needs_lineage(run: DbtRun, outcome: RunOutcome, mapping: SyncMapping) -> bool:
    """Whether a decision needs the manifest, which is large; most runs are decided without it.

    A name is enough if the run executed it; otherwise it may be a view's. A sync that this job's
    runs do not trigger never needs the manifest. A sync whose models cannot be selected does:
    without it the decision might be wrong.
    """
    return next(needing_lineage(run, outcome, mapping), None) is not None


def needing_lineage(run: DbtRun, outcome: RunOutcome, mapping: SyncMapping) -> Iterator[Sync]:
    """The syncs that cannot be decided without the manifest; see `needs_lineage`."""
    if run.never_counts_because or not (outcome.nodes or outcome.reused or outcome.unaccounted):
        return
    executed = Selection(outcome.nodes.keys())
    asks_for_all = bool(outcome.in_standing(Standing.SAMPLED) or outcome.unaccounted)
    a_test_failed = bool(outcome.failed_tests or outcome.unaccounted_tests)
    for sync in mapping.syncs:
        if sync.counts(run) and (
            asks_for_all
            or sync.require == "all"
            or sync.consistency == "block"
            or (a_test_failed and sync.tests == "block")
            or (outcome.nodes and not _are_named(sync.depends_on, executed))
        ):
            yield sync


def _are_named(selectors: tuple[Selector, ...], executed: Selection) -> bool:
    try:
        return all(map(executed.selects_for_certain, selectors))
    except Exception:  # noqa: BLE001 - `decide` gets it again, and reports it for its sync
        return False
