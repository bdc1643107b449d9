"""What a dbt run rebuilt, from the run_results.json of each of its steps. No I/O here.

https://docs.getdbt.com/reference/artifacts/run-results-json and dbt-core's
core/dbt/artifacts/schemas/results.py. The schema's version says little (statuses came and
went within v6), so nothing is validated but the fields read here, and a status nobody
knows counts as not rebuilt.
"""

import functools
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from relay.dbt.decoding import Buffer, decode
from relay.dbt.runs import REBUILDABLE, REBUILDING_COMMANDS, Step
from relay.notation import read_time

TESTS = ("test.", "unit_test.")
TESTING_COMMANDS = frozenset({"build", "test", "retry"})

_FAILED = frozenset({"error", "fail", "runtime error"})
_SOMETHING_FAILED = _FAILED | {"partial success"}
_UNTOUCHED = frozenset({"no-op", "reused"})
_TEST_ENDED = frozenset({"pass", "warn", "fail", "error"})
_KNOWN = _SOMETHING_FAILED | _UNTOUCHED | _TEST_ENDED | {"success", "skipped"}


class Standing(StrEnum):
    """What a run did to a node. A node it did nothing to has no standing."""

    REBUILT = "rebuilt"
    PARTIAL = "partial"
    FAILED = "failed"
    SKIPPED = "skipped"  # because something it needs failed
    SAMPLED = "sampled"  # --empty or --sample: what stands there may not be all of the data


class Metadata(msgspec.Struct, gc=False):
    """Of an artifact: which invocation of dbt wrote it."""

    invocation_id: str | None = None
    dbt_version: str | None = None


class Args(msgspec.Struct, gc=False):
    """Of an invocation: its flags. Fusion leaves most of them out, or nests them."""

    which: str | None = None
    empty: Any = None
    sample: Any = None
    other: dict[str, Any] | None = msgspec.field(name="__other__", default=None)


class AdapterResponse(msgspec.Struct, gc=False):
    """Of a row: what the warehouse answered, in the adapter's words."""

    code: Any = None


class Timing(msgspec.Struct, gc=False):
    """Of a row: when dbt compiled the node, and then when it executed it. UTC, ISO 8601.

    Which of the two it is, its place in the list tells: the names of all would take megabytes.
    """

    started_at: str | None = None
    completed_at: str | None = None


class Result(msgspec.Struct, gc=False):
    """One node's row. `relation_name` is UNSET before dbt 1.7, None for a node without relation."""

    unique_id: str
    status: str
    message: str | None = None
    relation_name: str | msgspec.UnsetType | None = msgspec.UNSET
    adapter_response: AdapterResponse | str | None = None
    timing: tuple[Timing, ...] | None = None


class RunResults(msgspec.Struct, gc=False):
    """run_results.json, the fields that tell what was rebuilt."""

    results: list[Result]
    metadata: Metadata = msgspec.field(default_factory=Metadata)
    args: Args = msgspec.field(default_factory=Args)


@dataclass(frozen=True, slots=True)
class Invocation:
    """A step of a run and the run_results.json it left."""

    dbt_run_id: int
    step: Step
    run_results: RunResults

    @property
    def counts(self) -> bool:
        """Whether its command rebuilds nodes or runs tests."""
        return self.which in REBUILDING_COMMANDS | TESTING_COMMANDS

    @property
    def executed(self) -> frozenset[str]:
        """The nodes it has a row for, if its command rebuilds any, whatever became of them."""
        if self.which not in REBUILDING_COMMANDS:
            return frozenset()
        results = self.run_results.results
        return frozenset(
            each.unique_id for each in results if each.unique_id.startswith(REBUILDABLE)
        )

    @property
    def which(self) -> str | None:
        """The dbt command. Fusion does not always write it, so the step's is asked too."""
        return self.run_results.args.which or self.step.dbt_command


@dataclass(frozen=True, slots=True)
class Rebuild:
    """When a node was rebuilt; None where dbt did not say."""

    began: datetime | None
    ended: datetime | None


@dataclass(frozen=True)
class RebuiltModels:
    """What a run did to each node it touched, by unique_id.

    `executed_in` tells which run did it last: the run itself, or an earlier one that it
    retries. `reused` are nodes that were in order, and so left as they were. `tests` holds the
    last `pass`, `warn`, `fail` or `error` of each test it ran; `unknown` the statuses nobody
    here knows, with a node that had each; `timings` when each node was executed, and what tells
    its invocation from others: dbt orders what one invocation executes.
    """

    nodes: Mapping[str, Standing] = field(default_factory=dict)
    executed_in: Mapping[str, int] = field(default_factory=dict)
    reused: frozenset[str] = frozenset()
    tests: Mapping[str, str] = field(default_factory=dict)
    unknown: Mapping[str, str] = field(default_factory=dict)
    timings: Mapping[str, tuple[object, Timing]] = field(default_factory=dict)

    @property
    def has_one_invocation(self) -> bool:
        """Whether all that has times was executed by one invocation: dbt ordered it itself."""
        return len({invocation for invocation, _ in self.timings.values()}) <= 1

    @property
    def began(self) -> datetime | None:
        """When the first of its nodes was executed; None where dbt did not say."""
        times = (timing.started_at for _, timing in self.timings.values())
        return read_time(min((each for each in times if each), default=None))

    def of_one_invocation(self, node: str, other: str) -> bool:
        """Whether both nodes were executed, and by one invocation."""
        both = node in self.timings and other in self.timings
        return both and self.timings[node][0] == self.timings[other][0]

    def rebuild(self, node: str) -> Rebuild | None:
        """When the run rebuilt a node; None if it did not."""
        if self.nodes.get(node) is not Standing.REBUILT:
            return None
        _, timing = self.timings.get(node, (None, Timing()))
        return Rebuild(read_time(timing.started_at), read_time(timing.completed_at))

    def standing(self, *standings: Standing) -> frozenset[str]:
        """The nodes that ended in one of these standings."""
        return frozenset().union(*(self._by_standing.get(each, ()) for each in standings))

    @functools.cached_property
    def _by_standing(self) -> Mapping[Standing, list[str]]:
        found: dict[Standing, list[str]] = {}
        for node, standing in self.nodes.items():
            found.setdefault(standing, []).append(node)
        return found


_decoder = msgspec.json.Decoder(RunResults)


def read_run_results(body: Buffer) -> RunResults:
    """Decode a run_results.json. Raises BadArtifact."""
    return decode(_decoder, body, RunResults)


def each_once(invocations: Iterable[Invocation]) -> tuple[Invocation, ...]:
    """The invocations in the order of their runs and steps.

    A file that a later step serves again (same invocation_id) counts once, where it first
    appeared: dbt leaves the previous command's file in place when a command writes none.
    """
    seen: dict[object, Invocation] = {}
    for invocation in sorted(invocations, key=lambda each: (each.dbt_run_id, each.step.index)):
        seen.setdefault(invocation.run_results.metadata.invocation_id or object(), invocation)
    return tuple(seen.values())


def what_was_rebuilt(invocations: Iterable[Invocation]) -> RebuiltModels:
    """What these invocations did to each node; the last one to execute it decides.

    A run that retries another comes with that one's invocations: it executes only what was left.
    """
    nodes: dict[str, Standing] = {}
    executed_in: dict[str, int] = {}
    reused: set[str] = set()
    tests: dict[str, str] = {}
    unknown: dict[str, str] = {}
    timings: dict[str, tuple[object, Timing]] = {}
    for invocation in each_once(invocations):
        for result in invocation.run_results.results:
            if result.status not in _KNOWN:
                unknown.setdefault(result.status, result.unique_id)
        executed = dict(_executed_nodes(invocation))
        nodes.update(executed)
        executed_in.update(dict.fromkeys(executed, invocation.dbt_run_id))
        timings.update(_execution_times(invocation, executed))
        reused.update(_reused_nodes(invocation))
        tests.update(_executed_tests(invocation))
    left_alone = frozenset(reused - nodes.keys())
    return RebuiltModels(nodes, executed_in, left_alone, tests, unknown, timings)


def _executed_nodes(invocation: Invocation) -> Iterator[tuple[str, Standing]]:
    if invocation.which not in REBUILDING_COMMANDS:
        return
    sampled = _was_sampled(invocation)
    something_failed = not invocation.step.succeeded or any(
        result.status in _SOMETHING_FAILED for result in invocation.run_results.results
    )
    for result in invocation.run_results.results:
        if not result.unique_id.startswith(REBUILDABLE):
            continue
        standing = _standing(result)
        if standing is Standing.SKIPPED and not something_failed:
            continue  # before Core v2, Fusion wrote `skipped` for what was in the cache
        if standing in (Standing.REBUILT, Standing.PARTIAL) and sampled:
            standing = Standing.SAMPLED
        if standing is not None:
            yield result.unique_id, standing


def _execution_times(
    invocation: Invocation, executed: Collection[str]
) -> Iterator[tuple[str, tuple[object, Timing]]]:
    """When each node was executed. dbt-core, core/dbt/artifacts/schemas/results.py, TimingInfo."""
    told_apart = invocation.run_results.metadata.invocation_id or id(invocation)
    for result in invocation.run_results.results:
        if result.timing and result.unique_id in executed:
            yield result.unique_id, (told_apart, result.timing[-1])


def _reused_nodes(invocation: Invocation) -> Iterator[str]:
    if invocation.which in REBUILDING_COMMANDS:
        for result in invocation.run_results.results:
            if result.status == "reused" and result.unique_id.startswith(REBUILDABLE):
                yield result.unique_id


def _standing(result: Result) -> Standing | None:
    """What a row says of its node; None where the run did nothing to it.

    The words are those of NodeStatus in dbt-core 1.x, core/dbt/artifacts/schemas/results.py
    (`partial success` since 1.9, `no-op` 1.10, `reused` 1.12), and of Fusion and Core v2 in
    crates/dbt-common/src/stats.rs: there a model's `warn` is "built, with warnings".
    """
    match result.status:
        case "success" | "warn":
            return None if _was_left_alone(result) else Standing.REBUILT
        case "reused" if _message(result).startswith("cloned from"):
            return Standing.REBUILT  # stats.rs, ReusedCloned: a clone replaced the relation
        case "partial success":
            return Standing.PARTIAL
        case "skipped":
            return None if _had_nothing_to_build(result) else Standing.SKIPPED
        case status if status in _FAILED:
            return Standing.FAILED
        case _:
            return None


def _was_left_alone(result: Result) -> bool:
    """A success that did nothing.

    `dbt clone` says No-op where the relation is in place (core/dbt/task/clone.py). An adapter
    answers `skip` for a materialized view or dynamic table that it need not change
    (dbt-adapters, materialized_view_execute_no_op; dagster-io/dagster#34216).
    """
    answer = result.adapter_response
    skipped = isinstance(answer, AdapterResponse) and answer.code == "skip"
    return skipped or "no-op" in _message(result)


def _had_nothing_to_build(result: Result) -> bool:
    """A skipped row of a node that could not have failed the run, nor be mended by a retry.

    Fusion's bare `Skipped` (stats.rs, NoOp), and the ephemeral model that only --fail-fast
    lists (core/dbt/task/runnable.py): it has no relation, and no later run has a row for it.
    """
    message = _message(result)
    is_ephemeral = result.unique_id.startswith("model.") and result.relation_name is None
    return message == "skipped" or (is_ephemeral and message == "skipping due to fail_fast")


def _message(result: Result) -> str:
    return (result.message or "").lower()


def _executed_tests(invocation: Invocation) -> Iterator[tuple[str, str]]:
    if invocation.which not in TESTING_COMMANDS:
        return  # `compile` and `docs generate` call every test a `success`
    for result in invocation.run_results.results:
        if result.unique_id.startswith(TESTS) and result.status in _TEST_ENDED:
            yield result.unique_id, result.status


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
