"""Lists: filters and the position in the URL, and pages of rows, the newest first."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar
from urllib.parse import urlencode

from werkzeug.exceptions import BadRequest

from relay.notation import read_duration, read_id
from relay.store.pages.listing import Before, Rows
from relay.workspaces import DEFAULT_WORKSPACE, SyncKey

Row = TypeVar("Row")
Value = TypeVar("Value")

ROWS = 50  # of a page
_ROW_ID = re.compile(r"[0-9]{1,18}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
BEFORE = "before"  # the parameter with the position


@dataclass(frozen=True, slots=True)
class Listed(Generic[Row]):
    """Rows of a list; `older` is the query for the next ones, None if these are the last."""

    rows: Sequence[Row]
    older: str | None


def listed(found: Rows[Row], query: Mapping[str, str]) -> Listed[Row]:
    """A page of a list whose filters are in `query`."""
    if found.next_before is None:
        return Listed(found.rows, None)
    at, row_id = found.next_before
    older = {name: text for name, text in query.items() if text}
    return Listed(found.rows, urlencode({**older, BEFORE: f"{at.isoformat()}~{row_id}"}))


def position_in(query: Mapping[str, str]) -> Before | None:
    """The position in the URL; None for the first page. Raises BadRequest."""
    return _read(query, BEFORE, _read_position, "a position of this list")


def since_in(query: Mapping[str, str], now: datetime) -> datetime | None:
    """A filter by age, `since=24h`; None if it is not set. Raises BadRequest."""
    seconds = _read(query, "since", read_duration, "a duration like 24h or 7d")
    return None if seconds is None else now - timedelta(seconds=seconds)


def id_in(query: Mapping[str, str], name: str) -> int | None:
    """A filter by an id; None if it is not set. Raises BadRequest."""
    return _read(query, name, read_id, "an id, a number")


def sync_in(query: Mapping[str, str], name: str) -> SyncKey | None:
    """A filter by a sync, `5123` or `emea/5123`; None if it is not set. Raises BadRequest."""
    return _read(query, name, _read_sync, "a sync's id, like 5123 or emea/5123")


def choice_in(query: Mapping[str, str], name: str, choices: Sequence[str]) -> str | None:
    """A filter by one of several words; None if it is not set. Raises BadRequest."""

    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(text)
        return text

    return _read(query, name, read, f"one of {', '.join(choices)}")


def text_in(query: Mapping[str, str], name: str) -> str | None:
    """A filter by a text; None if it is not set."""
    return query.get(name, "").strip() or None


def _read(
    query: Mapping[str, str], name: str, read: Callable[[str], Value], expected: str
) -> Value | None:
    text = text_in(query, name)
    if text is None:
        return None
    try:
        return read(text)
    except ValueError:
        raise BadRequest(f"{name}: expected {expected}") from None


def _read_sync(text: str) -> SyncKey:
    workspace, _, sync_id = text.rpartition("/")
    if not workspace.isprintable():
        raise ValueError(text)
    return workspace or DEFAULT_WORKSPACE, read_id(sync_id)


def _read_position(text: str) -> Before:
    at, _, row_id = text.partition("~")
    when = datetime.fromisoformat(at)
    if when.tzinfo is None or not _ROW_ID.fullmatch(row_id):
        raise ValueError(text)
    return when, row_id
