"""Single fields of Census's answers as values: what has an odd type is None, and hides no other."""

import re
from datetime import datetime
from typing import Any

from relay.notation import LARGEST_ID, printable, read_time, short_message
from relay.vendors.ids import read_count

_LINE_END = re.compile(r"\r\n|\r|\n")


def text(written: object) -> str | None:
    """A text, printable; None for none and for an empty one."""
    return printable(written) or None if isinstance(written, str) else None


def sql(written: object) -> str | None:
    """A query, printable line by line: a comment in it ends where its line does."""
    if not isinstance(written, str):
        return None
    return "\n".join(map(printable, _LINE_END.split(written))) or None


def message(written: object) -> str | None:
    """A text on one line, or a number, as error codes can be; None for anything else."""
    if isinstance(written, str):
        return short_message(written) or None
    number = read_count(written)
    return str(number) if number else None


def flag(written: object) -> bool | None:
    """Whether it is so, also where that is written as text; None for anything else."""
    return (
        {True: True, "true": True, False: False, "false": False}.get(written)
        if isinstance(written, bool | str)
        else None
    )


def identifier(written: object) -> int | None:
    """An id, a number or digits; None for anything else."""
    number = read_count(written)
    return number if number and number <= LARGEST_ID else None


def text_or_identifier(written: object) -> int | str | None:
    """An id that is a number in v1 and a text in v2; None for anything else."""
    number = identifier(written)
    return text(written) if number is None else number


def time(written: object) -> datetime | None:
    """A time of ISO 8601; None for anything else."""
    return read_time(written) if isinstance(written, str) else None


def mapping(written: object) -> dict[str, Any]:
    """A JSON object; an empty one for anything else."""
    return written if isinstance(written, dict) else {}


def items(written: object) -> list[Any]:
    """A JSON list; an empty one for anything else."""
    return written if isinstance(written, list) else []
