"""Tables for a terminal."""

from collections.abc import Iterator, Sequence


def table(heading: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    """Columns as wide as they must be; a dash for what is not known."""
    cells = [["-" if cell is None else str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(heading, *cells, strict=True)]
    for row in [list(heading), ["-" * width for width in widths], *cells]:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield f"  {line}".rstrip()
    if not rows:
        yield "  none"
