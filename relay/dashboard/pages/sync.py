"""One sync: how far it is behind and why, its mapping entry, lags, decisions and sync runs."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
from werkzeug.exceptions import NotFound

from relay.dashboard.drawings.lag_chart import DAYS, LagChart, lag_chart
from relay.dashboard.listing import Listed, listed, position_in
from relay.dashboard.pages.decisions import with_names
from relay.dashboard.sync_rows import SyncRow, sync_row
from relay.dashboard.visit import Visit
from relay.decision.mapping import PlacedSync, Sync
from relay.freshness import freshness_of
from relay.operations.freshness import freshness_row
from relay.store.holds import Hold
from relay.store.pages.decisions import DecisionFilter, DecisionRow
from relay.store.pages.models import SyncModel
from relay.store.pages.sync_runs import SyncRunRow
from relay.store.pages.syncs import AlertOfASync, DriftOfASync, Lag, SyncStory
from relay.workspaces import SyncKey

DECISIONS = 20
SYNC_RUNS = 20


class EntrySelector(msgspec.Struct, frozen=True, kw_only=True):
    """An item of `depends_on`, and its place in the file."""

    text: str
    place: str


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """The entry of the mapping file as loaded, defaults included, and its place in the file.

    Durations are in seconds. None: `jobs` and `environments` any, `at_most_every` no cool-down,
    `fresh_within` no limit. `consistency` is what holds if the file does not set it.
    """

    place: str
    depends_on: Sequence[EntrySelector]
    require: str
    within: int
    tests: str
    consistency: str
    at_most_every: int | None
    jobs: Sequence[int] | None
    environments: Sequence[int] | None
    full_sync: bool
    enabled: bool
    fresh_within: int | None
    rejects_over: float
    notify: Sequence[str]


class SyncPage(msgspec.Struct, frozen=True, kw_only=True):
    """The sync; `entry` is None if it is not mapped any more, `lags` are the oldest first."""

    sync: SyncRow
    entry: Entry | None
    models: Sequence[SyncModel]
    holds: Sequence[Hold]
    alerts: Sequence[AlertOfASync]
    drift: Sequence[DriftOfASync]
    lags: Sequence[Lag]
    decisions: Listed[DecisionRow]
    sync_runs: Sequence[SyncRunRow]
    read_at: datetime

    @property
    def chart(self) -> LagChart | None:
        """The lags as a drawing."""
        return lag_chart(self.lags, self.sync.freshness.fresh_within, self.read_at)


def view(visit: Visit, workspace: str, sync_id: int) -> SyncPage:
    """Raises NotFound for a sync that is not mapped, and about which nothing is stored."""
    key = (workspace, sync_id)
    story = visit.pages.syncs.story(key, lags_since=visit.now - timedelta(days=DAYS), now=visit.now)
    placed = _placed(visit, key)
    if placed is None and story.state is None and not story.has_history:
        raise NotFound("There is no such sync in the mapping file, and relay has triggered none.")
    return _page(visit, key, story, placed)


def _page(visit: Visit, key: SyncKey, story: SyncStory, placed: PlacedSync | None) -> SyncPage:
    found = visit.pages.decisions.newest(
        DecisionFilter(sync=key), before=position_in(visit.query), rows=DECISIONS
    )
    return SyncPage(
        sync=_sync_row(visit, key, story, placed),
        entry=None if placed is None else _entry(placed),
        models=visit.pages.models.of_sync(visit.account_id, key),
        holds=story.holds,
        alerts=story.alerts,
        drift=story.drift,
        lags=story.lags,
        decisions=listed(with_names(found, visit), visit.query),
        sync_runs=visit.pages.sync_runs.of_sync(key, rows=SYNC_RUNS),
        read_at=visit.now,
    )


def _placed(visit: Visit, key: SyncKey) -> PlacedSync | None:
    placed = () if visit.mapping is None else visit.mapping.placed_syncs
    return next((each for each in placed if each.sync.key == key), None)


def _sync_row(visit: Visit, key: SyncKey, story: SyncStory, placed: PlacedSync | None) -> SyncRow:
    workspace, sync_id = key
    sync = placed.sync if placed else Sync(sync_id=sync_id, workspace=workspace, depends_on=())
    states = {} if story.state is None else {key: story.state}
    (freshness,) = freshness_of([sync], states, lambda _: bool(story.holds), now=visit.now)
    return sync_row(
        freshness_row(freshness),
        is_mapped=placed is not None,
        withheld=story.withheld,
        hold=story.holds[0] if story.holds else None,
        mute=story.mute,
    )


def _entry(placed: PlacedSync) -> Entry:
    sync = placed.sync
    return Entry(
        place=placed.place,
        depends_on=[
            EntrySelector(text=selector.text, place=place)
            for selector, place in zip(sync.depends_on, placed.selector_places, strict=True)
        ],
        require=sync.require,
        within=sync.within,
        tests=sync.tests,
        consistency="block" if sync.checks_parents else "ignore",
        at_most_every=sync.at_most_every,
        jobs=None if sync.jobs is None else sorted(sync.jobs),
        environments=None if sync.environments is None else sorted(sync.environments),
        full_sync=sync.full_sync,
        enabled=sync.enabled,
        fresh_within=sync.fresh_within,
        rejects_over=sync.rejects_over,
        notify=sync.notify,
    )
