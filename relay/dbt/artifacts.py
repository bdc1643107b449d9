"""run_results.json: only the fields that show what was rebuilt. No I/O here.

https://docs.getdbt.com/reference/artifacts/run-results-json and dbt-core's
core/dbt/artifacts/schemas/results.py. The schema version is not reliable (statuses were added and
removed within v6), so only the fields read here are validated.
"""

from collections.abc import Iterator
from itertools import chain
from operator import attrgetter
from typing import Any

import msgspec

from relay.dbt.decoding import Buffer, Form, are_printable, decode, with_printable_texts
from relay.errors import BadArtifact

# Not statuses of dbt: for an unreadable row, and for one that does not even name its node.
UNREADABLE = "unreadable row"
UNNAMED = "unreadable row without unique_id"


class Metadata(msgspec.Struct, gc=False):
    """The metadata of an artifact: which dbt invocation wrote it."""

    invocation_id: str | None = None
    dbt_version: str | None = None
    generated_at: str | None = None
    invocation_started_at: str | None = None  # since dbt 1.10


class Args(msgspec.Struct, gc=False):
    """The flags of an invocation. Fusion omits most of them, or nests them."""

    which: str | None = None
    command: str | None = None  # Fusion's name for `which`
    empty: Any = None
    sample: Any = None
    other: dict[str, Any] | None = msgspec.field(name="__other__", default=None)


class AdapterResponse(msgspec.Struct, gc=False):
    """The warehouse's response for a row, as the adapter reports it."""

    code: Any = None


class Timing(msgspec.Struct, gc=False):
    """The timing of a row: first of compilation, then of execution. UTC, ISO 8601.

    The position in the list is enough: reading the names would take megabytes.
    """

    started_at: str | None = None
    completed_at: str | None = None


class Batches(msgspec.Struct, gc=False):
    """The batches of a microbatch model's row: those that were built, and those that failed."""

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
        """The dbt command that wrote it; None if the file lacks it."""
        return self.args.which or self.args.command


class _Parts(msgspec.Struct):
    """The whole file, undecoded, for a file with unreadable parts."""

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

# Text fields, ignored if they have another type. Not so the flags of Args: an unreadable one may
# mean that only a sample was built.
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
    """The fields as JSON again, without text fields of another type."""
    return msgspec.json.encode(
        {
            name: value
            for name, value in (fields or {}).items()
            if name not in _TEXTS or _read_or_none(_text_decoder, value) is not None
        }
    )


def _names(run_results: RunResults) -> Iterator[str]:
    """The names that are used further; most other texts of the rows are not."""
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
