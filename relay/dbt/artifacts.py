"""run_results.json: only the fields that show what was rebuilt. No I/O here.

https://docs.getdbt.com/reference/artifacts/run-results-json and dbt-core's
core/dbt/artifacts/schemas/results.py. The schema's version says little (statuses came and
went within v6), so nothing is validated but the fields read here.
"""

from collections.abc import Iterator
from itertools import chain
from operator import attrgetter
from typing import Any

import msgspec

from relay.dbt.decoding import Buffer, are_printable, decode, with_printable_texts
from relay.errors import BadArtifact

UNREADABLE = "unreadable row"  # no status of dbt's


class Metadata(msgspec.Struct, gc=False):
    """Of an artifact: which invocation of dbt wrote it."""

    invocation_id: str | None = None
    dbt_version: str | None = None
    generated_at: str | None = None
    invocation_started_at: str | None = None  # since dbt 1.10


class Args(msgspec.Struct, gc=False):
    """Of an invocation: its flags. Fusion leaves most of them out, or nests them."""

    which: str | None = None
    command: str | None = None  # Fusion's word for `which`
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


class Batches(msgspec.Struct, gc=False):
    """Of a microbatch's row: the batches that were built, and those that were not."""

    successful: list[Any] = []
    failed: list[Any] = []


class Result(msgspec.Struct, gc=False):
    """One node's row. `relation_name` is UNSET before dbt 1.7, None for a node without relation."""

    unique_id: str
    status: str
    message: str | None = None
    relation_name: str | msgspec.UnsetType | None = msgspec.UNSET
    adapter_response: AdapterResponse | str | None = None
    timing: tuple[Timing, ...] | None = None
    batch_results: Batches | None = None


class RunResults(msgspec.Struct, gc=False):
    """The whole file."""

    results: list[Result]
    metadata: Metadata = msgspec.field(default_factory=Metadata)
    args: Args = msgspec.field(default_factory=Args)

    @property
    def which(self) -> str | None:
        """The dbt command that wrote it; None where the file does not say."""
        return self.args.which or self.args.command


class _Rows(msgspec.Struct):
    """The whole file where some row of it cannot be read."""

    results: list[msgspec.Raw]
    metadata: Metadata = msgspec.field(default_factory=Metadata)
    args: Args = msgspec.field(default_factory=Args)


class _Named(msgspec.Struct):
    unique_id: str


_decoder = msgspec.json.Decoder(RunResults)
_row_by_row = msgspec.json.Decoder(_Rows)
_row_decoder = msgspec.json.Decoder(Result)
_named_decoder = msgspec.json.Decoder(_Named)


def read_run_results(body: Buffer) -> RunResults:
    """Decode a run_results.json. A row that cannot be read is one with the status UNREADABLE.

    Its names are as `printable` writes them. Raises BadArtifact.
    """
    run_results = _read(body)
    if are_printable(_names(run_results)):
        return run_results
    return with_printable_texts(RunResults, run_results)


def _read(body: Buffer) -> RunResults:
    try:
        return decode(_decoder, body)
    except BadArtifact:
        rows = decode(_row_by_row, bytes(body))
    return RunResults([_read_row(row) for row in rows.results], rows.metadata, rows.args)


def _names(run_results: RunResults) -> Iterator[str]:
    """Of the file and its nodes: there are many rows, and most of their texts go nowhere."""
    metadata, args = run_results.metadata, run_results.args
    of_the_file = (metadata.invocation_id, metadata.dbt_version, args.which, args.command)
    names = (name for name in of_the_file if name)
    return chain(names, map(attrgetter("unique_id"), run_results.results))


def _read_row(row: msgspec.Raw) -> Result:
    try:
        return decode(_row_decoder, bytes(row))
    except BadArtifact:
        return Result(decode(_named_decoder, bytes(row)).unique_id, UNREADABLE)
