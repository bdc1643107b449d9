"""Rows of a list, and where the next page of it begins."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, LiteralString, TypeVar

from relay.store.transactions import Connection, every

Row = TypeVar("Row")

SCANNED = 5000  # rows that a filter looks at, for one page

Before = tuple[datetime, str]  # the time and id of the last row of a page


@dataclass(frozen=True, slots=True)
class Rows(Generic[Row]):
    """The newest rows, and the row before which the next page begins; None if there are no more."""

    rows: list[Row]
    next_before: Before | None


def newest(
    connection: Connection,
    row: type[Row],
    queries: tuple[LiteralString, LiteralString],
    given: dict[str, Any],
    *,
    before: Before | None,
    rows: int,
    key_of: Callable[[Row], Before],
) -> Rows[Row]:
    """The newest rows of a list that match its filter.

    The first query selects them, given `at` and `row_id` of `before`, how many are to be `scanned`,
    and how many `rows` are wanted; the second the time and id of the last row that was scanned.
    """
    at, row_id = before or (None, None)
    given = {**given, "at": at, "row_id": row_id, "rows": rows + 1, "scanned": SCANNED}
    found = every(connection, row, queries[0], given)
    if len(found) > rows:
        return Rows(found[:rows], key_of(found[rows - 1]))
    last = connection.execute(queries[1], {**given, "skipped": SCANNED - 1}).fetchone()
    return Rows(found, None if last is None else (last[0], str(last[1])))
