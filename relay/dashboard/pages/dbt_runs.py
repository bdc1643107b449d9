"""The dbt runs, and what became of each."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from relay.dashboard.listing import (
    ROWS,
    Listed,
    choice_in,
    id_in,
    listed,
    position_in,
    since_in,
)
from relay.dashboard.visit import Visit
from relay.store.pages.dbt_runs import BECAME, STATUSES, DbtRunFilter, DbtRunRow


class DbtRunsPage(msgspec.Struct, frozen=True, kw_only=True):
    """The list; `filters` are those that are set in its URL."""

    runs: Listed[DbtRunRow]
    filters: dict[str, str]


def view(visit: Visit) -> DbtRunsPage:
    """Filters: `job`, `environment`, `status`, `became`, `since`."""
    wanted = filter_in(visit.query, visit.account_id, visit.now)
    found = visit.pages.dbt_runs.newest(wanted, before=position_in(visit.query), rows=ROWS)
    return DbtRunsPage(runs=listed(found, visit.query), filters=_set_in(visit.query))


def filter_in(query: Mapping[str, str], dbt_account_id: int, now: datetime) -> DbtRunFilter:
    """Which runs a URL asks for. Raises BadRequest."""
    return DbtRunFilter(
        dbt_account_id=dbt_account_id,
        became=choice_in(query, "became", BECAME),
        status=choice_in(query, "status", STATUSES),
        dbt_job_id=id_in(query, "job"),
        environment_id=id_in(query, "environment"),
        since=since_in(query, now),
    )


def _set_in(query: Mapping[str, str]) -> dict[str, str]:
    return {name: query[name] for name in FILTERS if query.get(name)}


FILTERS = ("became", "status", "job", "environment", "since")
