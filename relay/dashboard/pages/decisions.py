"""Decisions on syncs: which were triggered, which were withheld, and why."""

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
from relay.decision.gates import Reason
from relay.store.pages.decisions import DECISIONS, DecisionFilter, DecisionRow
from relay.store.pages.listing import Rows


class DecisionsPage(msgspec.Struct, frozen=True, kw_only=True):
    """The list."""

    decisions: Listed[DecisionRow]


def view(visit: Visit) -> DecisionsPage:
    """Filters: `sync`, `decision`, `reason`, `since`."""
    wanted = DecisionFilter(
        sync=sync_in(visit.query, "sync"),
        decision=choice_in(visit.query, "decision", DECISIONS),
        reason=choice_in(visit.query, "reason", tuple(Reason)),
        since=since_in(visit.query, visit.now),
    )
    found = visit.pages.decisions.newest(wanted, before=position_in(visit.query), rows=ROWS)
    return DecisionsPage(decisions=listed(with_names(found, visit), visit.query))


def with_names(found: Rows[DecisionRow], visit: Visit) -> Rows[DecisionRow]:
    """These rows with the names of their syncs."""
    names = visit.sync_names
    rows = [
        structs.replace(row, sync_name=names.get((row.workspace, row.sync_id)))
        for row in found.rows
    ]
    return Rows(rows, found.next_before)
