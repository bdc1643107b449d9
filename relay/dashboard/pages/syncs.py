"""Every sync: how far its tool is behind its models, and why."""

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec
from werkzeug.exceptions import BadRequest

from relay.dashboard.drawings.sparkline import Sparkline, sparkline
from relay.dashboard.listing import choice_in, id_in, text_in
from relay.dashboard.sync_rows import STATES, SyncRow, sync_rows
from relay.dashboard.visit import Visit
from relay.store.pages.syncs import RecentRun
from relay.workspaces import display_id

ROWS = 100  # of a page
_LAST_PAGE = 100_000

# What the list is sorted by: `behind` is the order of `relay freshness`.
_SORTS: dict[str, Callable[[SyncRow], Any]] = {
    "behind": lambda _: 0,
    "lag": lambda row: -(row.freshness.lag if row.freshness.lag is not None else -1.0),
    "failures": lambda row: -row.freshness.failures,
    "id": lambda row: row.key,
}
SORTS = tuple(_SORTS)


class SyncLine(msgspec.Struct, frozen=True, kw_only=True):
    """A sync with its newest ended sync runs, the newest first."""

    sync: SyncRow
    runs: Sequence[RecentRun]

    @property
    def last_run(self) -> RecentRun | None:
        """The newest that ended; None if there is none."""
        return self.runs[0] if self.runs else None

    @property
    def sparkline(self) -> Sparkline | None:
        """The runs as a drawing."""
        return sparkline(self.runs)


class SyncsPage(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the list: of `count` syncs those from `first` (1 for the first) on.

    `previous` and `next` are the queries for the parts beside it, None if there are none;
    `mapped` is how many syncs the mapping has, None without a valid one.
    """

    syncs: Sequence[SyncLine]
    first: int
    count: int
    mapped: int | None
    previous: str | None
    next: str | None

    @property
    def states(self) -> tuple[str, ...]:
        """What the filter by state can be."""
        return STATES

    @property
    def sorts(self) -> tuple[str, ...]:
        """What the list can be sorted by."""
        return SORTS


def view(visit: Visit) -> SyncsPage:
    """Filters: `workspace`, `owner`, `state`, `q` (in name and id); `sort` is one of SORTS."""
    sort = choice_in(visit.query, "sort", SORTS) or "behind"
    page = id_in(visit.query, "page") or 1
    if page > _LAST_PAGE:
        raise BadRequest("page: expected the number of a page")
    situation = visit.pages.syncs.situation(now=visit.now)
    rows = sync_rows(visit.mapping, situation, now=visit.now)
    found = sorted(_matching(rows, visit), key=_SORTS[sort])
    first = (page - 1) * ROWS
    shown = found[first : first + ROWS]
    runs = visit.pages.syncs.recent_runs([row.key for row in shown])
    return SyncsPage(
        syncs=[SyncLine(sync=row, runs=runs.get(row.key, ())) for row in shown],
        first=first + 1,
        count=len(found),
        mapped=None if visit.mapping is None else len(visit.mapping.syncs),
        previous=_query(visit, page - 1) if page > 1 else None,
        next=_query(visit, page + 1) if first + ROWS < len(found) else None,
    )


def _matching(rows: Sequence[SyncRow], visit: Visit) -> list[SyncRow]:
    state = choice_in(visit.query, "state", STATES)
    workspace, owner = text_in(visit.query, "workspace"), text_in(visit.query, "owner")
    wanted = text_in(visit.query, "q")
    return [
        row
        for row in rows
        if (state is None or row.is_in(state))
        and workspace in (None, row.freshness.workspace)
        and (owner is None or owner.casefold() == (row.freshness.owner or "").casefold())
        and (wanted is None or _is_named(row, wanted.casefold()))
    ]


def _is_named(row: SyncRow, wanted: str) -> bool:
    return wanted in (row.freshness.name or "").casefold() or wanted in str(display_id(*row.key))


def _query(visit: Visit, page: int) -> str:
    kept = {name: value for name, value in visit.query.items() if value and name != "page"}
    return urlencode({**kept, "page": page})
