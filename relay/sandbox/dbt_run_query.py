"""What `GET /runs/` can be asked for.

github.com/dbt-labs/dbt-cloud-openapi-spec, openapi-v2.yaml, "List Runs". It declares the lists as
arrays and leaves their form open. On the wire they are JSON: `finished_at__range=["…", "…"]`
(dagster-io/dagster, dagster_dbt/cloud_v2/client.py, in production); a comma between them, brackets
in the name, the name twice, and parameters it does not know were each answered 400 in October 2025.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from relay.sandbox.dbt_runs import SandboxRun

MOST_PER_PAGE = 100
_BEGINNING = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class RunQuery:
    """Filters, each with the value it was given, and which part of the runs they leave."""

    filters: Mapping[str, Any]
    order_by: str
    limit: int
    offset: int

    @classmethod
    def from_args(cls, args: Mapping[str, str]) -> "RunQuery":
        """Read a query string. Raises ValueError in the words of the API's validation."""
        asked = {key: value for key, value in args.items() if key != "include_related"}
        order_by = asked.pop("order_by", "id")
        if order_by.removeprefix("-") not in _ORDERS:
            raise ValueError(f"{order_by!r} is not one of {list(_ORDERS)}")
        limit = _number(asked.pop("limit", str(MOST_PER_PAGE)))
        if limit > MOST_PER_PAGE:
            raise ValueError(f"{limit} is greater than the maximum of {MOST_PER_PAGE}")
        offset = _number(asked.pop("offset", "0"))
        if unknown := sorted(asked.keys() - _FILTERS.keys()):
            listed = ", ".join(repr(key) for key in unknown)
            raise ValueError(f"Additional properties are not allowed ({listed} were unexpected)")
        filters = {key: _FILTERS[key].read(value) for key, value in asked.items()}
        return cls(filters=filters, order_by=order_by, limit=limit, offset=offset)

    def found_in(self, runs: list[SandboxRun]) -> list[SandboxRun]:
        """All the runs that are asked for, not only a page of them, in their order."""
        found = [
            run
            for run in runs
            if all(_FILTERS[key].keeps(run, value) for key, value in self.filters.items())
        ]
        order = _ORDERS[self.order_by.removeprefix("-")]
        return sorted(found, key=order, reverse=self.order_by.startswith("-"))

    def described(self, account_id: int, *, count: int, total_count: int) -> dict[str, Any]:
        """The `extra` of the answer: `count` runs on this page of `total_count`."""
        paging = {"limit": self.limit, "offset": self.offset, "state": "all"}
        return {
            "filters": paging | {"account_id": account_id} | dict(self.filters),
            "order_by": self.order_by,
            "pagination": {"count": count, "total_count": total_count},
        }


def _number(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"{text!r} is not of type 'integer'")
    return int(text)


def _numbers(text: str) -> list[int]:
    return msgspec.json.decode(text, type=list[int])


def _times(text: str) -> tuple[datetime, datetime]:
    first, last = msgspec.json.decode(text, type=tuple[str, str])
    return _time(first), _time(last)


def _time(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _within(at: datetime | None, ends: tuple[datetime, datetime]) -> bool:
    return at is not None and ends[0] <= at <= ends[1]


@dataclass(frozen=True, slots=True)
class _Filter:
    read: Callable[[str], Any]
    keeps: Callable[[SandboxRun, Any], bool]


_FILTERS = {
    "job_definition_id": _Filter(_number, lambda run, value: run.dbt_job_id == value),
    "environment_id": _Filter(_number, lambda run, value: run.environment_id == value),
    "project_id": _Filter(_number, lambda run, value: run.project_id == value),
    "project_id__in": _Filter(_numbers, lambda run, values: run.project_id in values),
    "status": _Filter(_number, lambda run, value: run.status == value),
    "status__in": _Filter(_numbers, lambda run, values: run.status in values),
    "id__gt": _Filter(_number, lambda run, value: run.dbt_run_id > value),
    "created_at__range": _Filter(_times, lambda run, ends: _within(run.created_at, ends)),
    "finished_at__range": _Filter(_times, lambda run, ends: _within(run.finished_at, ends)),
}

_ORDERS: dict[str, Callable[[SandboxRun], Any]] = {
    "id": lambda run: run.dbt_run_id,
    "created_at": lambda run: run.created_at or _BEGINNING,
    "finished_at": lambda run: run.finished_at or _BEGINNING,
}
