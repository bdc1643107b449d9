"""How fresh each mapped sync's tool is, the worst first; and the stored freshness, derived anew."""

from datetime import datetime

import msgspec

from relay.decision.mapping import SyncMapping
from relay.freshness import Freshness, freshness_of
from relay.notation import printable
from relay.store import Store
from relay.store.holds import open_hold
from relay.store.sync_states import Correction


class FreshnessRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A sync's freshness, as `relay freshness` prints it; durations are in seconds.

    `state` is `stale`, `behind`, `fresh` or `unknown`: relay has seen no rebuild of its models.
    `because` is why it is behind. `lag` is None before the first sync run that brought something.
    """

    workspace: str
    sync_id: int
    name: str | None
    owner: str | None
    state: str
    behind_since: datetime | None
    behind_seconds: int | None
    because: str | None
    dbt_run_id: int | None
    fresh_within: int | None
    lag: float | None
    last_rebuilt_at: datetime | None
    last_completed_at: datetime | None
    last_outcome: str | None
    failures: int


def read_freshness(store: Store, mapping: SyncMapping) -> tuple[FreshnessRow, ...]:
    """The freshness of each sync of the mapping, by the database's clock.

    Raises DatabaseUnavailable.
    """
    now, _ = store.status.last_heartbeat()
    holds = store.holds.open(now=now)
    states = store.sync_states.all()
    rows = freshness_of(
        mapping.syncs, states, lambda key: open_hold(holds, key) is not None, now=now
    )
    return tuple(map(freshness_row, rows))


def rebuild(store: Store) -> list[Correction]:
    """Derive the freshness of every sync from its decisions and sync runs; what was different.

    Raises DatabaseUnavailable.
    """
    return store.sync_states.rebuild()


def freshness_row(row: Freshness) -> FreshnessRow:
    """The row of a sync whose freshness is known."""
    sync, state, behind_for = row.sync, row.state, row.behind_for
    return FreshnessRow(
        workspace=sync.workspace,
        sync_id=sync.sync_id,
        name=printable(sync.name) if sync.name else None,
        owner=printable(sync.owner) if sync.owner else None,
        state=_state(row),
        behind_since=state.behind_since,
        behind_seconds=None if behind_for is None else int(behind_for.total_seconds()),
        because=state.because,
        dbt_run_id=state.behind_dbt_run_id,
        fresh_within=sync.fresh_within,
        lag=state.lag,
        last_rebuilt_at=state.last_rebuilt_at,
        last_completed_at=state.last_completed_at,
        last_outcome=state.last_outcome,
        failures=state.failures,
    )


def _state(row: Freshness) -> str:
    if row.is_stale:
        return "stale"
    if row.behind_for is not None:
        return "behind"
    return "unknown" if row.state.last_rebuilt_at is None else "fresh"
