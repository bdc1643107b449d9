"""How fresh each tool is: since when a sync is behind its models, and why. No I/O here.

A sync is behind from the end of the oldest dbt run whose rebuild of its models is not in the tool.
Its lag is the time from the end of the oldest dbt run that a sync run brought to the tool, until
that sync run completed.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from relay.decision.mapping import Sync
from relay.workspaces import SyncKey

# Why a sync is behind, where it is not the reason of a decision that withheld it.
WAITING = "waiting"  # its triggers wait for a worker, or for Census
COOLING_DOWN = "cooling_down"
HELD = "held"
RUNNING = "running"  # a sync run is being started, or runs
FAILING = "failing"  # the last sync run for it failed, or could not be started


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncState:
    """The stored freshness of a sync; times are None if there was no such thing yet.

    `last_rebuilt_at` and `behind_since` are ends of dbt runs, the second None if the sync is not
    behind. `due_at` is when its waiting triggers may be sent. `last_completed_at` is by Census's
    clock; `lag` in seconds, of the last sync run that brought a rebuild to the tool. `failures`
    counts the runs that failed, or were not started, since one completed.
    """

    workspace: str
    sync_id: int
    last_rebuilt_at: datetime | None = None
    behind_since: datetime | None = None
    behind_dbt_account_id: int | None = None
    behind_dbt_run_id: int | None = None
    because: str | None = None
    due_at: datetime | None = None
    last_completed_at: datetime | None = None
    lag: float | None = None
    failures: int = 0
    last_outcome: str | None = None

    @property
    def key(self) -> SyncKey:
        """Its sync: workspace and id."""
        return self.workspace, self.sync_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """A mapped sync and its state at a time; `state.because` takes holds and cool-downs in."""

    sync: Sync
    state: SyncState
    now: datetime

    @property
    def behind_for(self) -> timedelta | None:
        """How long the sync has been behind; None if it is not."""
        since = self.state.behind_since
        return None if since is None else max(self.now - since, timedelta())

    @property
    def is_stale(self) -> bool:
        """Whether it is behind for longer than its `fresh_within`."""
        return self.overdue is not None

    @property
    def overdue(self) -> timedelta | None:
        """How long it has been stale; None if it is not, or has no `fresh_within`."""
        behind_for = self.behind_for
        if behind_for is None or self.sync.fresh_within is None:
            return None
        over = behind_for - timedelta(seconds=self.sync.fresh_within)
        return over if over > timedelta() else None


def freshness_of(
    syncs: Iterable[Sync],
    states: Mapping[SyncKey, SyncState],
    is_held: Callable[[SyncKey], bool],
    *,
    now: datetime,
) -> tuple[Freshness, ...]:
    """The freshness of each sync, the worst first: stale, behind, failing, fresh, never rebuilt."""
    rows = (_freshness(sync, states, is_held, now) for sync in syncs)
    return tuple(sorted(rows, key=_badness))


def cause_now(because: str | None, *, is_held: bool, is_due: bool) -> str | None:
    """The stored cause with what changes by itself: an open hold, and a trigger's due time."""
    if because != WAITING:
        return because
    if is_held:
        return HELD
    return WAITING if is_due else COOLING_DOWN


def _freshness(
    sync: Sync,
    states: Mapping[SyncKey, SyncState],
    is_held: Callable[[SyncKey], bool],
    now: datetime,
) -> Freshness:
    state = states.get(sync.key) or SyncState(workspace=sync.workspace, sync_id=sync.sync_id)
    is_due = state.due_at is None or state.due_at <= now
    because = cause_now(state.because, is_held=is_held(sync.key), is_due=is_due)
    if because != state.because:
        state = replace(state, because=because)
    return Freshness(sync=sync, state=state, now=now)


def _badness(row: Freshness) -> tuple[float, float, int, bool, SyncKey]:
    overdue, behind = row.overdue, row.behind_for
    return (
        -overdue.total_seconds() if overdue is not None else 1,
        -behind.total_seconds() if behind is not None else 1,
        -row.state.failures,
        row.state.last_rebuilt_at is None,
        row.sync.key,
    )
