"""dbt's JSON, which is not always JSON. No I/O here."""

import gc
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec

from relay.errors import BadArtifact

Form = TypeVar("Form")
Buffer = bytes | memoryview

# Python's json writes these, and dbt lets it: `meta: {x: .nan}` becomes a bare NaN.
_NOT_JSON = re.compile(rb"(?<=[:\[,])(\s*)(?:NaN|-?Infinity)(?=\s*[,\]}])")


@contextmanager
def gc_paused() -> Iterator[None]:
    """Pause the garbage collector of the whole process.

    A decode makes many objects and no garbage: looking for it would take half the time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@gc_paused()
def decode(decoder: "msgspec.json.Decoder[Form]", body: Buffer, form: type[Form]) -> Form:
    """Decode an artifact into its form. Raises BadArtifact, which says where it is wrong.

    What msgspec refuses is decoded again without the bare NaN and Infinity, and then by the
    standard library, which also accepts lone surrogates: slower, and rare.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as exc:
        raise BadArtifact(str(exc)) from exc
    except RecursionError as exc:
        raise BadArtifact("it is nested too deeply") from exc
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        first: Exception = exc
    try:
        return decoder.decode(_NOT_JSON.sub(rb"\1null", body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _slowly(body, form, first)


def _slowly(body: Buffer, form: type[Form], first: Exception) -> Form:
    try:
        plain: Any = json.loads(bytes(body))
        return msgspec.convert(plain, form)
    except msgspec.ValidationError as exc:
        raise BadArtifact(str(exc)) from exc
    except (ValueError, RecursionError):
        raise BadArtifact(str(first)) from first
