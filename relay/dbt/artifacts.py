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

from relay.dbt.decoding import Buffer, Form, are_printable, decode, with_printable_texts
from relay.errors import BadArtifact

# No statuses of dbt's: of a row that cannot be read, and of one that does not even name its node.
UNREADABLE = "unreadable row"
UNNAMED = "unreadable row without unique_id"


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


class _Parts(msgspec.Struct):
    """The whole file where some part of it cannot be read."""

    results: list[msgspec.Raw]
    metadata: dict[str, msgspec.Raw] | None = None
    args: dict[str, msgspec.Raw] | None = None


class _Named(msgspec.Struct):
    unique_id: str


_decoder = msgspec.json.Decoder(RunResults)
_part_by_part = msgspec.json.Decoder(_Parts)
_metadata_decoder = msgspec.json.Decoder(Metadata)
_args_decoder = msgspec.json.Decoder(Args)
_text_decoder = msgspec.json.Decoder(str)
_row_decoder = msgspec.json.Decoder(Result)
_named_decoder = msgspec.json.Decoder(_Named)

# Fields that hold a text, and say nothing where they hold another value. Not so the flags of Args:
# one that cannot be read may say that only a sample was built.
_TEXTS = frozenset({*Metadata.__struct_fields__, "which", "command"})


def read_run_results(body: Buffer) -> RunResults:
    """Decode a run_results.json.

    A row that cannot be read has the status UNREADABLE; or UNNAMED, and an empty unique_id. Names
    are as `printable` writes them. Raises BadArtifact.
    """
    run_results = _read(body)
    if are_printable(_names(run_results)):
        return run_results
    return with_printable_texts(RunResults, run_results)


def _read(body: Buffer) -> RunResults:
    try:
        return decode(_decoder, body)
    except BadArtifact:
        parts = decode(_part_by_part, bytes(body))
    return RunResults(
        [_read_row(row) for row in parts.results],
        decode(_metadata_decoder, _readable(parts.metadata)),
        decode(_args_decoder, _readable(parts.args)),
    )


def _readable(fields: dict[str, msgspec.Raw] | None) -> bytes:
    """These fields again, without those that should hold a text and do not."""
    return msgspec.json.encode(
        {
            name: value
            for name, value in (fields or {}).items()
            if name not in _TEXTS or _read_or_none(_text_decoder, value) is not None
        }
    )


def _names(run_results: RunResults) -> Iterator[str]:
    """Of the file and its nodes: there are many rows, and most of their texts go nowhere."""
    metadata, args = run_results.metadata, run_results.args
    of_the_file = (metadata.invocation_id, metadata.dbt_version, args.which, args.command)
    names = (name for name in of_the_file if name)
    return chain(names, map(attrgetter("unique_id"), run_results.results))


def _read_row(row: msgspec.Raw) -> Result:
    read = _read_or_none(_row_decoder, row)
    if read is not None:
        return read
    named = _read_or_none(_named_decoder, row)
    return Result(named.unique_id, UNREADABLE) if named else Result("", UNNAMED)


def _read_or_none(decoder: "msgspec.json.Decoder[Form]", value: msgspec.Raw) -> Form | None:
    try:
        return decode(decoder, bytes(value))
    except BadArtifact:
        return None
