"""Every sync with its freshness, and which of them a state of the list means."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

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


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncRow:
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
    holds = _HoldOf(situation.holds)
    withheld = {(each.workspace, each.sync_id): each for each in situation.withheld}
    mutes = {mute.key: mute for mute in situation.mutes}
    rows = freshness_of(
        [*mapped.values(), *once], states, lambda key: holds.of(key) is not None, now=now
    )
    return tuple(
        sync_row(
            freshness_row(row),
            is_mapped=row.sync.key in mapped,
            withheld=withheld.get(row.sync.key),
            hold=holds.of(row.sync.key),
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
        freshness = replace(freshness, state=NOT_MAPPED)
    return SyncRow(
        freshness=freshness, is_mapped=is_mapped, withheld=withheld, hold=hold, mute=mute
    )


def _without_entry(state: SyncState) -> Sync:
    return Sync(sync_id=state.sync_id, workspace=state.workspace, depends_on=())


class _HoldOf:
    """The open hold of each sync: of its own, of its workspace, or of all, the one that ends last.

    There may be as many holds as syncs.
    """

    def __init__(self, holds: Sequence[Hold]) -> None:
        self._holds = {(hold.workspace, hold.sync_id): hold for hold in holds}
        self._order = {hold.hold_id: place for place, hold in enumerate(holds)}

    def of(self, sync: SyncKey) -> Hold | None:
        scopes = (sync, (sync[0], None), (None, None))
        open_ = [self._holds[scope] for scope in scopes if scope in self._holds]
        return min(open_, key=lambda hold: self._order[hold.hold_id], default=None)
