"""The query of a list of the Administrative API: filters, an order, a page.

github.com/dbt-labs/dbt-cloud-openapi-spec, openapi-v2.yaml. It declares some filters as arrays and
does not define their format. Clients send JSON: `finished_at__range=["…", "…"]`
(dagster-io/dagster, dagster_dbt/cloud_v2/client.py, in production); a comma between two times,
brackets in the name, the name twice, and unknown parameters each got a 400 in October 2025.
Numbers and texts may also have commas between them, as some Python clients send a list.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import msgspec

Row = TypeVar("Row")

MOST_PER_PAGE = 100
# Whether a list has rows in this state: here no row is ever deleted.
_STATES = {"active": True, "1": True, "deleted": False, "2": False, "all": True}
_FLAGS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Filter(Generic[Row]):
    """A parameter of a list: how its value is parsed, and which rows it keeps.

    Create it without its type in brackets: in Python 3.11 that fails for a frozen dataclass with
    slots.
    """

    read: Callable[[str], Any]
    keeps: Callable[[Row, Any], bool]


@dataclass(frozen=True, slots=True)
class ListForm(Generic[Row]):
    """A list: its filters, and what it can be ordered by.

    Every list also has `account_id`, which dagster-dbt sends although it is not documented.
    """

    filters: Mapping[str, Filter[Row]]
    orders: Mapping[str, Callable[[Row], Any]]
    default_state: str = "active"

    def read(self, args: Mapping[str, str]) -> "ListQuery[Row]":
        """Parse a query string. Raises ValueError with the API's message."""
        asked = {key: value for key, value in args.items() if key != "include_related"}
        account_id = asked.pop("account_id", None)
        query = ListQuery(
            form=self,
            account_id=None if account_id is None else number(account_id),
            state=_one_of(_STATES, asked.pop("state", self.default_state)),
            order_by=asked.pop("order_by", "id"),
            limit=number(asked.pop("limit", str(MOST_PER_PAGE))),
            offset=number(asked.pop("offset", "0")),
            filters=self._filters(asked),  # last: the remaining parameters are filters
        )
        _one_of(self.orders, query.order_by.removeprefix("-"))
        if query.limit > MOST_PER_PAGE:
            raise ValueError(f"{query.limit} is greater than the maximum of {MOST_PER_PAGE}")
        return query

    def _filters(self, asked: Mapping[str, str]) -> dict[str, Any]:
        if unknown := sorted(asked.keys() - self.filters.keys()):
            listed = ", ".join(repr(name) for name in unknown)
            raise ValueError(f"Additional properties are not allowed ({listed} were unexpected)")
        return {key: self.filters[key].read(value) for key, value in asked.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuery(Generic[Row]):
    """Filters with their values, an order and a page."""

    form: ListForm[Row]
    account_id: int | None
    state: str
    order_by: str
    limit: int
    offset: int
    filters: Mapping[str, Any]

    def answered(self, rows: Sequence[Row], account_id: int) -> tuple[list[Row], dict[str, Any]]:
        """The requested page, and the `extra` of the response."""
        found = self._found_in(rows, account_id)
        page = found[self.offset : self.offset + self.limit]
        asked = {"limit": self.limit, "offset": self.offset, "state": self.state}
        return page, {
            "filters": asked | {"account_id": account_id} | dict(self.filters),
            "order_by": self.order_by,
            "pagination": {"count": len(page), "total_count": len(found)},
        }

    def _found_in(self, rows: Sequence[Row], account_id: int) -> list[Row]:
        if not _STATES[self.state] or self.account_id not in (None, account_id):
            return []
        order = self.form.orders[self.order_by.removeprefix("-")]
        kept = [row for row in rows if self._keeps(row)]
        return sorted(kept, key=order, reverse=self.order_by.startswith("-"))

    def _keeps(self, row: Row) -> bool:
        filters = self.form.filters
        return all(filters[key].keeps(row, value) for key, value in self.filters.items())


def _one_of(choices: Mapping[str, Any], text: str) -> str:
    if text not in choices:
        raise ValueError(f"{text!r} is not one of {list(choices)}")
    return text


def number(text: str) -> int:
    """Raises ValueError, as the others do."""
    if not text.isdecimal():
        raise ValueError(f"{text!r} is not of type 'integer'")
    return int(text)


def flag(text: str) -> bool:
    """`true` or `false`; `True` too, as Python clients send it."""
    if text.lower() not in _FLAGS:
        raise ValueError(f"{text!r} is not of type 'boolean'")
    return _FLAGS[text.lower()]


def numbers(text: str) -> list[int]:
    """A JSON list of numbers, or numbers with commas between them."""
    if text.startswith("["):
        return msgspec.json.decode(text, type=list[int])
    return [number(each.strip()) for each in text.split(",")]


def words(text: str) -> list[str]:
    """A JSON list of texts, or texts with commas between them."""
    if text.startswith("["):
        return msgspec.json.decode(text, type=list[str])
    found = [each.strip() for each in text.split(",")]
    if not all(found):
        raise ValueError(f"{text!r} is not of type 'array'")
    return found


def times(text: str) -> tuple[datetime, datetime]:
    """A JSON list of two times; UTC if they have no time zone."""
    first, last = msgspec.json.decode(text, type=tuple[str, str])
    return _time(first), _time(last)


def _time(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)
