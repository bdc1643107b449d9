"""What a run did to each node, from the run_results.json of each of its steps. No I/O here."""

import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from relay.dbt.artifacts import UNNAMED, UNREADABLE, Result
from relay.dbt.invocations import Invocation, sort_by_origin
from relay.dbt.rows import KNOWN, SOMETHING_FAILED, Standing, standing_of, status_of
from relay.dbt.runs import REBUILDABLE, Step
from relay.dbt.unaccounted import Unaccounted, target_of, unaccounted_steps
from relay.notation import printable, read_time

TESTS = ("test.", "unit_test.")

_TEST_ENDED = ("pass", "warn", "error", "fail")  # the worst last: an error may be but a warning
_TEST_FAILED = frozenset({"fail", "error"})
_CLEARED_BY_REUSE = frozenset({Standing.FAILED, Standing.SKIPPED})


class NodeResult(msgspec.Struct, frozen=True, gc=False):
    """What the last invocation that executed a node did to it.

    `dbt_run_id` is that of the run, or of an earlier run that it retries. `invocation` identifies
    the invocation: dbt itself orders what one invocation executes. `began` and `ended` are of its
    execution, None where dbt did not say. `relation` is where it was built, None where unknown.
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

    `reused` are nodes that were in order, and so left as they were. `tests` holds the last `pass`,
    `warn`, `fail` or `error` of each test, the worst where several targets ran it;
    `unknown_statuses` one node for each status that relay does not know; `relations` the nodes that
    were built in several places, and these.

    Of steps by their index: `not_of_this_run` served a file that they did not write;
    `without_results` rebuild, succeeded and wrote none; `unaccounted` rebuild, and may
    have no row of what failed, was built or is a sample.
    """

    nodes: Mapping[str, NodeResult] = field(default_factory=dict)
    reused: frozenset[str] = frozenset()
    tests: Mapping[str, str] = field(default_factory=dict)
    unknown_statuses: Mapping[str, str] = field(default_factory=dict)
    relations: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    not_of_this_run: tuple[int, ...] = ()
    without_results: tuple[Step, ...] = ()
    unaccounted: tuple[Unaccounted, ...] = ()

    @functools.cached_property
    def standings(self) -> Mapping[str, Standing]:
        """How each node that was executed ended."""
        return {unique_id: node.standing for unique_id, node in self.nodes.items()}

    def in_standing(self, *standings: Standing) -> frozenset[str]:
        """The nodes that ended in one of these standings."""
        return frozenset().union(*(self._by_standing.get(one, ()) for one in standings))

    @property
    def rebuilt(self) -> list[str]:
        """The rebuilt nodes, sorted."""
        return sorted(self.in_standing(Standing.REBUILT))

    @property
    def failed(self) -> list[str]:
        """The nodes that failed, also in part, and those that were skipped for it, sorted."""
        return sorted(self.in_standing(Standing.FAILED, Standing.SKIPPED, Standing.PARTIAL))

    @property
    def failed_tests(self) -> frozenset[str]:
        """The tests whose last result was a failure, whatever their severity."""
        return frozenset(test for test, status in self.tests.items() if status in _TEST_FAILED)

    @functools.cached_property
    def _by_standing(self) -> Mapping[Standing, list[str]]:
        found: dict[Standing, list[str]] = {}
        for unique_id, node in self.nodes.items():
            found.setdefault(node.standing, []).append(unique_id)
        return found


def outcome_of(invocations: Iterable[Invocation]) -> RunOutcome:
    """What these invocations did; of those that executed a node the last one decides.

    A run that retries another comes with that one's invocations: it executes only what was left.
    """
    origins = sort_by_origin(invocations)
    gathered = _Gathered()
    for invocation in origins.own:
        gathered.add(invocation)
    without = (*origins.served_foreign, *origins.wrote_none)
    return RunOutcome(
        nodes=gathered.nodes,
        reused=frozenset(gathered.reused - gathered.nodes.keys()),
        tests=gathered.tests_of_all_targets(),
        unknown_statuses=gathered.unknown_statuses,
        relations=gathered.built_in_several_places(),
        not_of_this_run=tuple(one.step.index for one in origins.served_foreign),
        without_results=tuple(one.step for one in without if one.step.must_have_run_results),
        unaccounted=tuple(unaccounted_steps(origins, built_something=bool(gathered.nodes))),
    )


class _Gathered:
    """What the invocations so far did."""

    def __init__(self) -> None:
        self.nodes: dict[str, NodeResult] = {}
        self.reused: set[str] = set()
        self._tests: dict[str | None, dict[str, str]] = {}  # by target
        self.unknown_statuses: dict[str, str] = {}
        self._relations: dict[str, set[str]] = {}
        self._of_the_jobs_target: set[str] = set()
        self._target_of: dict[str, str | None] = {}

    def add(self, invocation: Invocation) -> None:
        for row in invocation.rows:
            if status_of(row) not in KNOWN:
                self.unknown_statuses.setdefault(printable(row.status), _name_of(row, invocation))
        if invocation.rebuilds:
            self._execute(invocation)
            self._leave_alone(invocation)
        if invocation.counts:  # `compile` and `docs generate` call each test a success
            of_target = self._tests.setdefault(target_of(invocation), {})
            of_target.update(_test_results(invocation))

    def tests_of_all_targets(self) -> dict[str, str]:
        """The last result of each test; of several targets' results the worst.

        That it passes on the data of one says nothing of the data of another.
        """
        found: dict[str, str] = {}
        for of_target in self._tests.values():
            for test, status in of_target.items():
                found[test] = max(found.get(test, status), status, key=_TEST_ENDED.index)
        return found

    def built_in_several_places(self) -> dict[str, tuple[str, ...]]:
        """The nodes that one target built more than one relation of."""
        return {
            node: tuple(sorted(map(printable, relations)))
            for node, relations in self._relations.items()
            if len(relations) > 1
        }

    def _execute(self, invocation: Invocation) -> None:
        """What another target than the job's own builds does not stand for what that one built."""
        own_target = invocation.is_of_the_jobs_target
        for node, result in _node_results(invocation):
            if own_target and node not in self._of_the_jobs_target:
                self._of_the_jobs_target.add(node)
                self._relations.pop(node, None)
            if own_target or node not in self._of_the_jobs_target:
                self.nodes[node] = result
                self._target_of[node] = target_of(invocation)
                if result.relation is not None:
                    self._relations.setdefault(node, set()).add(result.relation)

    def _leave_alone(self, invocation: Invocation) -> None:
        """What dbt found in order: whatever had failed before, there, is not wrong any more."""
        for node in _reused_nodes(invocation):
            self.reused.add(node)
            if self._failed_in(node, target_of(invocation)):
                del self.nodes[node]

    def _failed_in(self, node: str, target: str | None) -> bool:
        result = self.nodes.get(node)
        failed = result is not None and result.standing in _CLEARED_BY_REUSE
        return failed and self._target_of[node] == target


def _node_results(invocation: Invocation) -> Iterator[tuple[str, NodeResult]]:
    dbt_run_id, identity = invocation.run.dbt_run_id, invocation.identity
    was_sampled = invocation.was_sampled
    something_failed = not invocation.step.succeeded or any(
        status_of(row) in SOMETHING_FAILED for row in invocation.rows
    )
    for row in invocation.rows_with_relation:
        standing = standing_of(row)
        if standing is None or (standing is Standing.SKIPPED and not something_failed):
            continue  # before Core v2, Fusion wrote `skipped` for what was in the cache
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


def _test_results(invocation: Invocation) -> Iterator[tuple[str, str]]:
    for row in invocation.rows:
        status = status_of(row)
        if row.unique_id.startswith(TESTS) and status in _TEST_ENDED:
            yield row.unique_id, status
        elif row.unique_id.startswith(TESTS) and status == UNREADABLE:
            yield row.unique_id, "fail"
        elif row.status == UNNAMED and not invocation.step.succeeded:
            yield _name_of(row, invocation), "fail"  # it may be a test that failed, of any model


def _name_of(row: Result, invocation: Invocation) -> str:
    return row.unique_id or f"unknown, in step {invocation.step.index}"
