"""Every sync with its freshness, and which of them a state of the list means."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec
from msgspec import structs

from relay.decision.mapping import Sync, SyncMapping
from relay.freshness import SyncState, freshness_of
from relay.operations.freshness import FreshnessRow, freshness_row
from relay.store.holds import Hold
from relay.store.mutes import Mute
from relay.store.pages.syncs import Situation, Withheld
from relay.workspaces import SyncKey

STALE, BEHIND, FRESH, UNKNOWN = "stale", "behind", "fresh", "unknown"
FAILING, HELD, WITHHELD, NOT_MAPPED = "failing", "held", "withheld", "not mapped"
STATES = (STALE, BEHIND, FRESH, UNKNOWN, FAILING, HELD, WITHHELD, NOT_MAPPED)
FAILURES = 2  # in a row, from which on a sync is failing


class SyncRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A sync; `hold` is the open hold that ends last, `mute` the open one, None if there is none.

    `withheld` is the newest decision, if that withheld it because something went wrong in dbt.
    The state of one that is not mapped any more is `not mapped`.
    """

    freshness: FreshnessRow
    is_mapped: bool
    withheld: Withheld | None
    hold: Hold | None
    mute: Mute | None

    @property
    def key(self) -> SyncKey:
        """Its sync."""
        return self.freshness.workspace, self.freshness.sync_id

    def is_in(self, state: str) -> bool:
        """Whether it is one of those that a state of STATES means: of the mapped ones, but for one.

        What is stale is behind, too.
        """
        if not self.is_mapped or state == NOT_MAPPED:
            return self.freshness.state == state
        match state:
            case "behind":
                return self.freshness.behind_since is not None
            case "failing":
                return self.freshness.failures >= FAILURES
            case "held":
                return self.hold is not None
            case "withheld":
                return self.withheld is not None
            case _:
                return self.freshness.state == state


def sync_rows(
    mapping: SyncMapping | None, situation: Situation, *, now: datetime
) -> tuple[SyncRow, ...]:
    """Every mapped sync, and those that relay once decided on; the worst first."""
    mapped = {} if mapping is None else {sync.key: sync for sync in mapping.syncs}
    states = {state.key: state for state in situation.states}
    once = [_without_entry(state) for key, state in states.items() if key not in mapped]
    held = _holds_of([*mapped, *states], situation.holds)
    withheld = {(each.workspace, each.sync_id): each for each in situation.withheld}
    mutes = {mute.key: mute for mute in situation.mutes}
    rows = freshness_of([*mapped.values(), *once], states, held.__contains__, now=now)
    return tuple(
        sync_row(
            freshness_row(row),
            is_mapped=row.sync.key in mapped,
            withheld=withheld.get(row.sync.key),
            hold=held.get(row.sync.key),
            mute=mutes.get(row.sync.key),
        )
        for row in rows
    )


def sync_row(
    freshness: FreshnessRow,
    *,
    is_mapped: bool,
    withheld: Withheld | None,
    hold: Hold | None,
    mute: Mute | None,
) -> SyncRow:
    """A sync of the list."""
    if not is_mapped:
        freshness = structs.replace(freshness, state=NOT_MAPPED)
    return SyncRow(
        freshness=freshness, is_mapped=is_mapped, withheld=withheld, hold=hold, mute=mute
    )


def _without_entry(state: SyncState) -> Sync:
    return Sync(sync_id=state.sync_id, workspace=state.workspace, depends_on=())


def _holds_of(syncs: Iterable[SyncKey], holds: Sequence[Hold]) -> dict[SyncKey, Hold]:
    """The open hold of each sync that has one: of the sync, of its workspace or of all.

    Of several it is the first of `holds`. There may be as many as syncs.
    """
    by_scope = {(hold.workspace, hold.sync_id): place for place, hold in enumerate(holds)}
    found = {}
    for sync in syncs:
        scopes = (sync, (sync[0], None), (None, None))
        places = [by_scope[scope] for scope in scopes if scope in by_scope]
        if places:
            found[sync] = holds[min(places)]
    return found
