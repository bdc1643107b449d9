"""run_results.json: only the fields that show what was rebuilt. No I/O here.

https://docs.getdbt.com/reference/artifacts/run-results-json and dbt-core's
core/dbt/artifacts/schemas/results.py. The schema's version says little (statuses came and
went within v6), so nothing is validated but the fields read here.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from relay.dbt.decoding import Buffer, decode
from relay.dbt.runs import REBUILDABLE, REBUILDING_COMMANDS, TESTING_COMMANDS, Step


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

    The position in the list shows which of the two it is: reading the names would take megabytes.
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
    """The whole file."""

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
        return frozenset(row.unique_id for row in results if row.unique_id.startswith(REBUILDABLE))

    @property
    def which(self) -> str | None:
        """The dbt command. Fusion does not always write it, so the step's is asked too."""
        return self.run_results.args.which or self.step.dbt_command


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
    for invocation in sorted(invocations, key=lambda one: (one.dbt_run_id, one.step.index)):
        seen.setdefault(invocation.run_results.metadata.invocation_id or object(), invocation)
    return tuple(seen.values())
