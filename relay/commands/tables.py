"""Tables and colours for a terminal."""

import os
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import click

NARROWEST = 8  # characters: columns are not made narrower than this
GAP = "  "


class Coloured(NamedTuple):
    """A cell's text and its colour, by click's name."""

    text: str
    colour: str


def coloured(text: str, colour: str) -> str:
    """The text in a colour, which `click.echo` removes if the output is not a terminal."""
    return text if os.environ.get("NO_COLOR") else click.style(text, fg=colour)


def terminal_width() -> int | None:
    """The width of stdout in characters; None if it is not a terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def table(
    heading: Sequence[str], rows: Sequence[Sequence[object]], *, width: int | None = None
) -> Iterator[str]:
    """Columns as wide as their cells; a dash for None.

    With a width, the widest columns are made narrower, and their cells are wrapped.
    """
    texts = [[_text(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(heading, *texts, strict=True)]
    widths = _fitted(widths, width)
    plain = [list(heading), ["-" * each for each in widths]]
    for row in [*plain, *rows]:
        yield from _lines(row, widths)
    if not rows:
        yield f"{GAP}none"


def without_empty_columns(
    heading: Sequence[str], rows: Sequence[Sequence[object]]
) -> tuple[list[str], list[list[object]]]:
    """Only the columns that have a value in some row; all of them if there is no row."""
    if not rows:
        return list(heading), []
    kept = [place for place in range(len(heading)) if any(row[place] is not None for row in rows)]
    return [heading[place] for place in kept], [[row[place] for place in kept] for row in rows]


def _text(cell: object) -> str:
    if isinstance(cell, Coloured):
        return cell.text
    return "-" if cell is None else str(cell)


def _fitted(widths: list[int], width: int | None) -> list[int]:
    """Reduce the largest widths until all fit, or none can be reduced."""
    fitted = list(widths)
    while width is not None and sum(fitted) + len(GAP) * len(fitted) > width:
        widest = fitted.index(max(fitted))
        if fitted[widest] <= NARROWEST:
            break
        fitted[widest] -= 1
    return fitted


def _lines(row: Sequence[object], widths: Sequence[int]) -> Iterator[str]:
    """A row's lines: each cell wrapped to its column."""
    wrapped = [
        textwrap.wrap(_text(cell), width) or [""] for cell, width in zip(row, widths, strict=True)
    ]
    for number in range(max(map(len, wrapped))):
        parts = [lines[number] if number < len(lines) else "" for lines in wrapped]
        padded = [
            _padded(part, cell, width) for part, cell, width in zip(parts, row, widths, strict=True)
        ]
        yield f"{GAP}{GAP.join(padded)}".rstrip()


def _padded(part: str, cell: object, width: int) -> str:
    padding = " " * (width - len(part))
    is_coloured = isinstance(cell, Coloured) and part
    return (coloured(part, cell.colour) if is_coloured else part) + padding  # type: ignore[attr-defined]
