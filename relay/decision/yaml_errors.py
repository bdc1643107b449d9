"""Messages about invalid YAML, with what to write instead. No I/O here."""

import re

import yaml

_INDENTED_WITH_A_TAB = re.compile(r" *\t")
_NEED_QUOTES = "*@`%"


def explained(error: yaml.MarkedYAMLError, body: bytes) -> tuple[yaml.Mark | None, str]:
    """The error's position, and what to do about it, or else the parser's message."""
    mark = error.problem_mark
    if mark is None:
        return None, str(error.problem)
    line, number = _line(body, mark.line), mark.line + 1
    if _INDENTED_WITH_A_TAB.match(line):
        return mark, f"line {number} is indented with a tab: use spaces"
    if line[mark.column : mark.column + 1] == "\t":
        return mark, f"line {number} has a tab here: use spaces"
    start = _start_of_word(error) or mark
    first = line[start.column : start.column + 1]
    if first and first in _NEED_QUOTES:
        # The text itself is not repeated: it may be a key.
        what = f'a text cannot begin with {first} in YAML: put it in quotation marks, "{first}…"'
        return start, what
    return mark, str(error.problem)


def _start_of_word(error: yaml.MarkedYAMLError) -> yaml.Mark | None:
    """The start of an alias: the parser marks the character after it."""
    return error.context_mark if error.context == "while scanning an alias" else None


def _line(body: bytes, number: int) -> str:
    lines = body.splitlines()
    return lines[number].decode(errors="replace") if number < len(lines) else ""
