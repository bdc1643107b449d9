"""What a run did to each node, from the run_results.json of each of its steps. No I/O here.

An unknown status counts as not rebuilt.
"""

import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import msgspec

from relay.dbt.artifacts import AdapterResponse, Invocation, Result, each_once
from relay.dbt.runs import REBUILDABLE, REBUILDING_COMMANDS, TESTING_COMMANDS
from relay.notation import read_time

TESTS = ("test.", "unit_test.")

_FAILED = frozenset({"error", "fail", "runtime error"})
_SOMETHING_FAILED = _FAILED | {"partial success"}
_UNTOUCHED = frozenset({"no-op", "reused"})
_TEST_ENDED = frozenset({"pass", "warn", "fail", "error"})
_TEST_FAILED = frozenset({"fail", "error"})
_KNOWN = _SOMETHING_FAILED | _UNTOUCHED | _TEST_ENDED | {"success", "skipped"}


class Standing(StrEnum):
    """What a run did to a node. A node it did nothing to has no standing."""

    REBUILT = "rebuilt"
    PARTIAL = "partial"
    FAILED = "failed"
    SKIPPED = "skipped"  # because something it needs failed
    SAMPLED = "sampled"  # --empty or --sample: what stands there may not be all of the data


class NodeResult(msgspec.Struct, frozen=True, gc=False):
    """What the last invocation that executed a node did to it.

    `dbt_run_id` is that of the run, or of an earlier run that it retries. `invocation` identifies
    the invocation: dbt itself orders what one invocation executes. `began` and `ended` are of its
    execution, None where dbt did not say.
    """

    standing: Standing
    dbt_run_id: int = 0
    invocation: str = ""
    began: datetime | None = None
    ended: datetime | None = None


@dataclass(frozen=True)
class RunOutcome:
    """What a run did, by unique_id: to nodes that it executed, and in tests.

    `reused` are nodes that were in order, and so left as they were. `tests` holds the last `pass`,
    `warn`, `fail` or `error` of each test; `unknown_statuses` one node for each status that
    relay does not know.
    """

    nodes: Mapping[str, NodeResult] = field(default_factory=dict)
    reused: frozenset[str] = frozenset()
    tests: Mapping[str, str] = field(default_factory=dict)
    unknown_statuses: Mapping[str, str] = field(default_factory=dict)

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
    nodes: dict[str, NodeResult] = {}
    reused: set[str] = set()
    tests: dict[str, str] = {}
    unknown: dict[str, str] = {}
    for invocation in each_once(invocations):
        for row in invocation.run_results.results:
            if row.status not in _KNOWN:
                unknown.setdefault(row.status, row.unique_id)
        if invocation.which in REBUILDING_COMMANDS:
            nodes.update(_node_results(invocation))
            reused.update(_reused_nodes(invocation))
        if (
            invocation.which in TESTING_COMMANDS
        ):  # `compile` and `docs generate` call each a success
            tests.update(_test_results(invocation))
    return RunOutcome(nodes, frozenset(reused - nodes.keys()), tests, unknown)


def _node_results(invocation: Invocation) -> Iterator[tuple[str, NodeResult]]:
    rows = invocation.run_results.results
    dbt_run_id, invocation_id = invocation.dbt_run_id, _invocation_id(invocation)
    was_sampled = _was_sampled(invocation)
    something_failed = not invocation.step.succeeded or any(
        row.status in _SOMETHING_FAILED for row in rows
    )
    for row in rows:
        if not row.unique_id.startswith(REBUILDABLE):
            continue
        standing = _standing(row)
        if standing is None or (standing is Standing.SKIPPED and not something_failed):
            continue  # before Core v2, Fusion wrote `skipped` for what was in the cache
        if was_sampled and standing in (Standing.REBUILT, Standing.PARTIAL):
            standing = Standing.SAMPLED
        yield row.unique_id, NodeResult(standing, dbt_run_id, invocation_id, *_times(row))


def _invocation_id(invocation: Invocation) -> str:
    return invocation.run_results.metadata.invocation_id or (
        f"{invocation.dbt_run_id}/{invocation.step.index}"
    )


def _times(row: Result) -> tuple[datetime | None, datetime | None]:
    """When a node was executed. dbt-core, core/dbt/artifacts/schemas/results.py, TimingInfo."""
    if not row.timing:
        return None, None
    execution = row.timing[-1]
    return read_time(execution.started_at), read_time(execution.completed_at)


def _reused_nodes(invocation: Invocation) -> Iterator[str]:
    for row in invocation.run_results.results:
        if row.status == "reused" and row.unique_id.startswith(REBUILDABLE):
            yield row.unique_id


def _test_results(invocation: Invocation) -> Iterator[tuple[str, str]]:
    for row in invocation.run_results.results:
        if row.unique_id.startswith(TESTS) and row.status in _TEST_ENDED:
            yield row.unique_id, row.status


def _standing(row: Result) -> Standing | None:
    """What a row says of its node; None where the run did nothing to it.

    The words are those of NodeStatus in dbt-core 1.x, core/dbt/artifacts/schemas/results.py
    (`partial success` since 1.9, `no-op` 1.10, `reused` 1.12), and of Fusion and Core v2 in
    crates/dbt-common/src/stats.rs: there a model's `warn` is "built, with warnings".
    """
    match row.status:
        case "success" | "warn":
            return None if _was_left_alone(row) else Standing.REBUILT
        case "reused" if _message(row).startswith("cloned from"):
            return Standing.REBUILT  # stats.rs, ReusedCloned: a clone replaced the relation
        case "partial success":
            return Standing.PARTIAL
        case "skipped":
            return None if _had_nothing_to_build(row) else Standing.SKIPPED
        case status if status in _FAILED:
            return Standing.FAILED
        case _:
            return None


def _was_left_alone(row: Result) -> bool:
    """A success that did nothing.

    `dbt clone` says No-op where the relation is in place (core/dbt/task/clone.py). An adapter
    answers `skip` for a materialized view or dynamic table that it need not change
    (dbt-adapters, materialized_view_execute_no_op; dagster-io/dagster#34216).
    """
    answer = row.adapter_response
    skipped = isinstance(answer, AdapterResponse) and answer.code == "skip"
    return skipped or "no-op" in _message(row)


def _had_nothing_to_build(row: Result) -> bool:
    """A skipped row of a node that could not have failed the run and that no retry can repair.

    Fusion's bare `Skipped` (stats.rs, NoOp), and the ephemeral model that only --fail-fast
    lists (core/dbt/task/runnable.py): it has no relation, and no later run has a row for it.
    """
    message = _message(row)
    is_ephemeral = row.unique_id.startswith("model.") and row.relation_name is None
    return message == "skipped" or (is_ephemeral and message == "skipping due to fail_fast")


def _message(row: Result) -> str:
    return (row.message or "").lower()


def _was_sampled(invocation: Invocation) -> bool:
    """Whether the tables hold no rows, or only some, though dbt calls them a success.

    https://docs.getdbt.com/docs/build/empty-flag, .../sample-flag. Fusion's args do not say,
    so the step's command is asked too.
    """
    args = invocation.run_results.args
    other = args.other or {}
    flags = [word for word in invocation.step.words if word in ("--empty", "--no-empty")]
    return (
        bool(args.empty or args.sample or other.get("empty") or other.get("sample"))
        or flags[-1:] == ["--empty"]
        or any(word.split("=")[0] == "--sample" for word in invocation.step.words)
    )
