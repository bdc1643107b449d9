"""Sync runs: what caused each, how it ended, and what became of the records."""

import msgspec
from msgspec import structs

from relay.dashboard.listing import (
    ROWS,
    Listed,
    choice_in,
    listed,
    position_in,
    since_in,
    sync_in,
)
from relay.dashboard.visit import Visit
from relay.store.pages.listing import Rows
from relay.store.pages.sync_runs import (
    ENDED_BADLY,
    GIVEN_UP,
    RUNNING,
    WITH_LAG,
    SyncRunFilter,
    SyncRunRow,
)
from relay.sync_runs import Outcome

OUTCOMES = (RUNNING, ENDED_BADLY, GIVEN_UP, WITH_LAG, *Outcome)


class SyncRunsPage(msgspec.Struct, frozen=True, kw_only=True):
    """The list."""

    sync_runs: Listed[SyncRunRow]

    @property
    def outcomes(self) -> tuple[str, ...]:
        """What the filter can be."""
        return OUTCOMES


def view(visit: Visit) -> SyncRunsPage:
    """Filters: `sync`, `outcome`, `since`."""
    wanted = SyncRunFilter(
        sync=sync_in(visit.query, "sync"),
        outcome=choice_in(visit.query, "outcome", OUTCOMES),
        since=since_in(visit.query, visit.now),
    )
    found = visit.pages.sync_runs.newest(wanted, before=position_in(visit.query), rows=ROWS)
    names = visit.sync_names
    rows = [
        structs.replace(row, sync_name=names.get((row.workspace, row.sync_id)))
        for row in found.rows
    ]
    return SyncRunsPage(sync_runs=listed(Rows(rows, found.next_before), visit.query))
