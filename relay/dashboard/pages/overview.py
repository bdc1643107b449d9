"""What needs somebody, and what happened lately."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from relay.dashboard.drawings.bars import HourBars, hour_bars
from relay.dashboard.health import HealthItem, health_of
from relay.dashboard.listing import choice_in
from relay.dashboard.needs import Needs, needs_of
from relay.dashboard.sync_rows import sync_rows
from relay.dashboard.visit import Visit
from relay.operations.readiness import WORKER_DEAD_AFTER
from relay.store.pages.overview import MOST_COUNTED, Hour, Lately, Strip

PERIODS = {
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}


class Count(msgspec.Struct, frozen=True):
    """A number of rows; `more` is whether there are more than were counted."""

    count: int
    more: bool


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What happened in a period; lags in seconds, None without a run that brought a rebuild."""

    deliveries: Count
    dbt_runs: Count
    triggered: Count
    withheld: Count
    ended_badly: Count
    with_lag: Count
    lag_p50: float | None
    lag_p90: float | None


class OverviewPage(msgspec.Struct, frozen=True, kw_only=True):
    """The overview; `since` is a key of PERIODS, `hours` are those with anything in them."""

    health: Sequence[HealthItem]
    needs: Sequence[Needs]
    since: str
    figures: Figures
    dbt_runs: Sequence[Strip]
    hours: Sequence[Hour]
    read_at: datetime

    @property
    def bars(self) -> HourBars | None:
        """The hours as a drawing."""
        return hour_bars(self.hours, self.read_at)

    @property
    def periods(self) -> tuple[str, ...]:
        """What `since` can be."""
        return tuple(PERIODS)


def view(visit: Visit) -> OverviewPage:
    """The period of the figures is `since`."""
    since = choice_in(visit.query, "since", tuple(PERIODS)) or next(iter(PERIODS))
    attention = visit.pages.overview.attention(visit.account_id, silent_after=WORKER_DEAD_AFTER)
    situation = visit.pages.syncs.situation(now=visit.now)
    lately = visit.pages.overview.lately(
        visit.account_id, since=visit.now - PERIODS[since], now=visit.now
    )
    rows = sync_rows(visit.mapping, situation, now=visit.now)
    return OverviewPage(
        health=health_of(visit, attention),
        needs=needs_of(rows, attention, situation.holds, visit.sync_names),
        since=since,
        figures=_figures(lately),
        dbt_runs=lately.strips,
        hours=lately.hours,
        read_at=visit.now,
    )


def _figures(lately: Lately) -> Figures:
    return Figures(
        deliveries=_count(lately.deliveries, lately.deliveries),
        dbt_runs=_count(lately.dbt_runs, lately.dbt_runs),
        triggered=_count(lately.triggered, lately.decisions),
        withheld=_count(lately.withheld, lately.decisions),
        ended_badly=_count(lately.ended_badly, lately.sync_runs),
        with_lag=_count(lately.with_lag, lately.sync_runs),
        lag_p50=lately.lag_p50,
        lag_p90=lately.lag_p90,
    )


def _count(count: int, looked_at: int) -> Count:
    return Count(min(count, MOST_COUNTED), more=looked_at > MOST_COUNTED)
