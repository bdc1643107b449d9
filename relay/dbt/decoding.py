"""Decodes dbt's JSON, which is not always valid JSON. No I/O here."""

import gc
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, TypeVar

import msgspec

from relay.errors import BadArtifact
from relay.notation import printable

Form = TypeVar("Form")
Buffer = bytes | memoryview

# Python's json module, which dbt uses, writes these: `meta: {x: .nan}` becomes a bare NaN.
_NOT_JSON = re.compile(rb"(?<=[:\[,])(\s*)(?:NaN|-?Infinity)(?=\s*[,\]}])")
# An escape sequence: a pair of surrogates, one alone (which is no character), or any other.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(?P<alone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


_PRINTABLE_ASCII = bytes(range(0x20, 0x7F))
_BATCH = 1000  # names whose text fits into the CPU cache


@contextmanager
def gc_paused() -> Iterator[None]:
    """Pause the garbage collector of the whole process.

    Decoding creates many objects and no garbage: collections would take half the time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@gc_paused()
def decode(decoder: "msgspec.json.Decoder[Form]", body: Buffer) -> Form:
    """Decode JSON as `decode_leniently` does. Raises BadArtifact with the position of the error."""
    try:
        return decode_leniently(decoder, body)
    except RecursionError as exc:
        raise BadArtifact("it is nested too deeply") from exc
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise BadArtifact(str(exc)) from exc


def decode_leniently(decoder: "msgspec.json.Decoder[Form]", body: Buffer) -> Form:
    """Decode JSON, also with NaN, Infinity and lone surrogates, as Python's json writes it.

    A lone surrogate is read as its escape, as `printable` writes it. What msgspec still refuses is
    decoded by the standard library, which is slower, and rarely needed.

    Raises msgspec.ValidationError for another form, msgspec.DecodeError and UnicodeDecodeError for
    invalid JSON, RecursionError.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        first: Exception = exc
    try:
        return decoder.decode(_ESCAPE.sub(_escape_surrogate, _NOT_JSON.sub(rb"\1null", body)))
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _decode_with_json(decoder, body, first)


def _escape_surrogate(escape: re.Match[bytes]) -> bytes:
    return rb"\\" + escape["alone"] if escape["alone"] else escape[0]


def _decode_with_json(
    decoder: "msgspec.json.Decoder[Form]", body: Buffer, first: Exception
) -> Form:
    try:
        plain: Any = json.loads(bytes(body))
    except (ValueError, RecursionError):
        raise first from None
    return msgspec.convert(
        _printable(plain), decoder.type, strict=decoder.strict, dec_hook=decoder.dec_hook
    )


def are_printable(names: Iterable[str]) -> bool:
    """Whether `printable` would change none of them; fast for tens of thousands of names."""
    left = iter(names)
    while batch := list(islice(left, _BATCH)):
        text = "".join(batch)
        if text.isascii() and not text.encode().translate(None, delete=_PRINTABLE_ASCII):
            continue
        if text != printable(text):
            return False
    return True


def with_printable_texts(form: type[Form], value: Form) -> Form:
    """The same value, with `printable` applied to every text."""
    return msgspec.convert(_printable(msgspec.to_builtins(value)), form)


def _printable(plain: Any) -> Any:
    match plain:
        case str():
            return printable(plain)
        case dict():
            return {_printable(key): _printable(value) for key, value in plain.items()}
        case list() | tuple():
            return [_printable(item) for item in plain]
        case _:
            return plain
