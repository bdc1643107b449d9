"""What a run did to each node, from the run_results.json of each of its steps. No I/O here."""

import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from relay.dbt import tested
from relay.dbt.artifacts import Result
from relay.dbt.invocations import Invocation, Sorted, sort_by_origin
from relay.dbt.rows import (
    KNOWN,
    SOMETHING_FAILED,
    WORST_FIRST,
    Standing,
    standing_of,
    status_of,
)
from relay.dbt.runs import REBUILDABLE, Step
from relay.dbt.unaccounted import (
    Unaccounted,
    UnaccountedTests,
    unaccounted_steps,
    unaccounted_tests,
)
from relay.notation import printable, read_time

_NO_FILE = (
    "the step rebuilds and succeeded, but wrote no run_results.json, so relay cannot know what it"
    " rebuilt: remove --no-write-json (DBT_WRITE_JSON) from the job, and use dbt 0.20 or later"
)
_NOT_ITS_FILE = (
    "the step rebuilds and succeeded, but the run_results.json that dbt Cloud serves for it is not"
    " its own ({why}), so relay cannot know what it rebuilt. A file that is committed to the"
    " repository is served where the step writes none: remove it (target/run_results.json), and"
    " --no-write-json (DBT_WRITE_JSON) from the job"
)
_CLEARED_BY_REUSE = frozenset({Standing.FAILED, Standing.SKIPPED})


class NodeResult(msgspec.Struct, frozen=True, gc=False):
    """What the last invocation that executed a node did to it.

    `dbt_run_id` is that of the run, or of an earlier run that it retries. `invocation` identifies
    the invocation: within one, dbt orders the nodes. `began` and `ended` are of its execution,
    `relation` is where it was built; None if unknown.
    """

    standing: Standing
    dbt_run_id: int = 0
    invocation: str = ""
    began: datetime | None = None
    ended: datetime | None = None
    relation: str | None = None


@dataclass(frozen=True)
class RunOutcome:
    """What a run did, by unique_id: to nodes that it executed, and in tests.

    `reused` are nodes that dbt found up to date and did not build. `tests` has the last `pass`,
    `warn`, `fail` or `error` of each test, the worst if several targets ran it; `unknown_statuses`
    one node for each status that relay does not know; `relations` the nodes that were built in
    several places, with these places.

    Of steps: `not_of_this_run` are the indexes of steps with a file that they did not write;
    `without_results` rebuild, succeeded and have no file of their own; `refused_results` has the
    reason for those with another step's file; `unaccounted` rebuild, and may lack a row of a node;
    `unaccounted_tests` may lack a row of a failed test.
    """

    nodes: Mapping[str, NodeResult] = field(default_factory=dict)
    reused: frozenset[str] = frozenset()
    tests: Mapping[str, str] = field(default_factory=dict)
    unknown_statuses: Mapping[str, str] = field(default_factory=dict)
    relations: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    not_of_this_run: tuple[int, ...] = ()
    without_results: tuple[Step, ...] = ()
    refused_results: Mapping[Step, str] = field(default_factory=dict)
    unaccounted: tuple[Unaccounted, ...] = ()
    unaccounted_tests: tuple[UnaccountedTests, ...] = ()

    @functools.cached_property
    def standings(self) -> Mapping[str, Standing]:
        """The standing of each executed node."""
        return {unique_id: node.standing for unique_id, node in self.nodes.items()}

    def in_standing(self, *standings: Standing) -> frozenset[str]:
        """The nodes with one of these standings."""
        return frozenset().union(*(self._by_standing.get(one, ()) for one in standings))

    @property
    def rebuilt(self) -> list[str]:
        """The rebuilt nodes, sorted."""
        return sorted(self.in_standing(Standing.REBUILT))

    @property
    def failed(self) -> list[str]:
        """The nodes that failed, also in part, or were skipped because of a failure, sorted."""
        return sorted(self.in_standing(Standing.FAILED, Standing.SKIPPED, Standing.PARTIAL))

    @property
    def failed_tests(self) -> frozenset[str]:
        """The tests whose last result was a failure, whatever their severity."""
        return frozenset(test for test, status in self.tests.items() if status in tested.FAILED)

    def problem_of(self, step: Step) -> str:
        """Why a step of `without_results` has no file, and what to do."""
        why = self.refused_results.get(step)
        return _NOT_ITS_FILE.format(why=why) if why else _NO_FILE

    @functools.cached_property
    def _by_standing(self) -> Mapping[Standing, list[str]]:
        found: dict[Standing, list[str]] = {}
        for unique_id, node in self.nodes.items():
            found.setdefault(node.standing, []).append(unique_id)
        return found


def outcome_of(invocations: Iterable[Invocation]) -> RunOutcome:
    """What these invocations did; for each node the last invocation that executed it counts.

    Include the invocations of retried runs: a retry executes only what they left undone.
    """
    origins = sort_by_origin(invocations)
    gathered = _Gathered()
    for invocation in origins.own:
        gathered.add(invocation)
    nodes = gathered.nodes_of_all_targets()
    return RunOutcome(
        nodes=nodes,
        reused=frozenset(gathered.reused - nodes.keys()),
        tests=gathered.tests_of_all_targets(),
        unknown_statuses=gathered.unknown_statuses,
        relations=gathered.built_in_several_places(nodes),
        not_of_this_run=tuple(one.step.index for one in origins.with_foreign_file),
        without_results=tuple(
            one.step for one in origins.without_file if one.step.must_have_run_results
        ),
        refused_results=_refused_results(origins),
        unaccounted=tuple(unaccounted_steps(origins, built_something=bool(nodes))),
        unaccounted_tests=tuple(unaccounted_tests(origins)) if nodes else (),
    )


def _refused_results(origins: Sorted) -> dict[Step, str]:
    return {
        one.step: why
        for one in origins.with_foreign_file
        if one.step.must_have_run_results and (why := one.foreign_because)
    }


@dataclass
class _Built:
    """What the invocations of one target did: node results, their relations, test results."""

    nodes: dict[str, NodeResult] = field(default_factory=dict)
    relations: dict[str, set[str]] = field(default_factory=dict)
    tests: dict[str, str] = field(default_factory=dict)


class _Gathered:
    """The results of the invocations so far, by target; None is the job's own."""

    def __init__(self) -> None:
        self._of_target: dict[str | None, _Built] = {None: _Built()}
        self._executed_by_the_job: set[str] = set()
        self.reused: set[str] = set()
        self.unknown_statuses: dict[str, str] = {}

    def add(self, invocation: Invocation) -> None:
        for row in invocation.rows:
            if status_of(row) not in KNOWN:
                name = tested.name_of(row, invocation)
                self.unknown_statuses.setdefault(printable(row.status), name)
        built = self._of_target.setdefault(invocation.other_target, _Built())
        if invocation.rebuilds:
            self._record_executed(invocation, built)
            self._record_reused(invocation, built)
        if invocation.counts:  # `compile` and `docs generate` report each test as a success
            built.tests.update(tested.results_of_tests(invocation))

    def nodes_of_all_targets(self) -> dict[str, NodeResult]:
        """The result of the job's own target for each node; of other targets the worst.

        Other targets count only for nodes that the job's own target never executed: one target's
        build says nothing about another's.
        """
        found: dict[str, NodeResult] = {}
        for built in self._of_the_others():
            for node, result in built.nodes.items():
                found[node] = max(result, found.get(node, result), key=_severity)
        for node in self._executed_by_the_job:
            found.pop(node, None)
        return found | self._of_target[None].nodes

    def tests_of_all_targets(self) -> dict[str, str]:
        """The last result of each test; of several targets the worst.

        A pass on one target's data says nothing about another's.
        """
        found: dict[str, str] = {}
        for built in self._of_target.values():
            for test, status in built.tests.items():
                worst = max(found.get(test, status), status, key=tested.WORST_LAST.index)
                found[test] = worst
        return found

    def built_in_several_places(self, nodes: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """The nodes that were built as several relations, or by several targets."""
        places = {node: self._places(node) for node in nodes}
        return {
            node: tuple(sorted(map(printable, where)))
            for node, where in places.items()
            if len(where) > 1
        }

    def _places(self, node: str) -> set[str]:
        """The node's relations; or its targets, if the relations do not differ."""
        if node in self._executed_by_the_job:
            return self._of_target[None].relations.get(node, set())
        relations = set[str]()
        for built in self._of_the_others():
            relations |= built.relations.get(node, set())
        if len(relations) > 1:
            return relations
        targets = (name for name, built in self._of_target.items() if node in built.nodes)
        return {f"--target {name}" for name in targets}

    def _of_the_others(self) -> list[_Built]:
        return [built for target, built in self._of_target.items() if target is not None]

    def _record_executed(self, invocation: Invocation, built: _Built) -> None:
        results = list(_node_results(invocation))
        built.nodes.update(results)
        for node, result in results:
            if result.relation is not None:
                built.relations.setdefault(node, set()).add(result.relation)
        if invocation.is_of_the_jobs_target:
            self._executed_by_the_job.update(node for node, _ in results)

    def _record_reused(self, invocation: Invocation, built: _Built) -> None:
        """Nodes that dbt found up to date: an earlier failure in this target is cleared."""
        for node in _reused_nodes(invocation):
            self.reused.add(node)
            result = built.nodes.get(node)
            if result is not None and result.standing in _CLEARED_BY_REUSE:
                del built.nodes[node]


def _severity(result: NodeResult) -> tuple[int, int]:
    """A sort key: the worst standing, then the later run."""
    return -WORST_FIRST.index(result.standing), result.dbt_run_id


def _node_results(invocation: Invocation) -> Iterator[tuple[str, NodeResult]]:
    dbt_run_id, identity = invocation.run.dbt_run_id, invocation.identity
    was_sampled = invocation.was_sampled
    step_failed = not invocation.step.succeeded
    something_failed = step_failed or any(
        status_of(row) in SOMETHING_FAILED for row in invocation.rows
    )
    for row in invocation.rows_with_relation:
        standing = standing_of(row)
        if standing is None and step_failed and status_of(row) not in KNOWN:
            standing = Standing.FAILED  # it may be what failed
        if standing is None or (standing is Standing.SKIPPED and not something_failed):
            continue  # before Core v2, Fusion wrote `skipped` for cached nodes
        if was_sampled and standing in (Standing.REBUILT, Standing.PARTIAL):
            standing = Standing.SAMPLED
        yield (
            row.unique_id,
            NodeResult(standing, dbt_run_id, identity, *_times(row), row.relation_name or None),
        )


def _times(row: Result) -> tuple[datetime | None, datetime | None]:
    """When a node was executed. dbt-core, core/dbt/artifacts/schemas/results.py, TimingInfo."""
    if not row.timing:
        return None, None
    execution = row.timing[-1]
    return read_time(execution.started_at), read_time(execution.completed_at)


def _reused_nodes(invocation: Invocation) -> Iterator[str]:
    for row in invocation.rows:
        if status_of(row) == "reused" and row.unique_id.startswith(REBUILDABLE):
            yield row.unique_id
