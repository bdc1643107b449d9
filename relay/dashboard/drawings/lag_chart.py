"""The lag of a sync's completed runs over time, with its `fresh_within` as a line."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from relay.dashboard import text
from relay.store.pages.syncs import Lag

DAYS = 30
WIDTH, HEIGHT = 800, 220
LEFT, TOP, BOTTOM = 80, 12, 24
HIGHEST_LIMIT = 3  # times the longest lag: a limit above that is not drawn


class Point(msgspec.Struct, frozen=True):
    """A completed sync run, in user units."""

    x: float
    y: float
    words: str


class Label(msgspec.Struct, frozen=True):
    """A text beside an axis."""

    x: float
    y: float
    words: str


class LagChart(msgspec.Struct, frozen=True):
    """The points and the line through them; `limit` is the height of `fresh_within`.

    `limit` is None without one, or if it is far above every lag.
    """

    points: tuple[Point, ...]
    line: str
    limit: float | None
    labels: tuple[Label, ...]
    words: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    bottom: int = HEIGHT - BOTTOM


def lag_chart(lags: Sequence[Lag], fresh_within: int | None, now: datetime) -> LagChart | None:
    """The drawing of these lags, the oldest first; None if there are none."""
    if not lags:
        return None
    longest = max(lag.lag for lag in lags)
    is_drawn = fresh_within is not None and fresh_within <= max(longest, 1) * HIGHEST_LIMIT
    highest = max(longest, fresh_within if is_drawn and fresh_within else 0, 1)
    points = tuple(
        Point(_x(lag.at, now), _y(lag.lag, highest), f"{_at(lag.at)}: {text.span(lag.lag)}")
        for lag in lags
    )
    return LagChart(
        points=points,
        line=" ".join(f"{point.x},{point.y}" for point in points),
        limit=_y(fresh_within, highest) if is_drawn and fresh_within else None,
        labels=_labels(highest, now),
        words=_words(lags, longest, fresh_within),
    )


def _labels(highest: float, now: datetime) -> tuple[Label, ...]:
    heights = [Label(0, _y(value, highest) + 4, text.span(value)) for value in (0, highest)]
    days = [
        Label(_x(at, now) - (36 if ago == 0 else 0), HEIGHT - 6, f"{at:%m-%d}")
        for ago in (DAYS, DAYS // 2, 0)
        for at in [now - timedelta(days=ago)]
    ]
    return (*heights, *days)


def _words(lags: Sequence[Lag], longest: float, fresh_within: int | None) -> str:
    shortest = min(lag.lag for lag in lags)
    limit = f"; fresh_within is {text.span(fresh_within)}" if fresh_within is not None else ""
    return (
        f"{len(lags)} completed sync runs of the last {DAYS} days,"
        f" with a lag of {text.span(shortest)} to {text.span(longest)}{limit}"
    )


def _x(at: datetime, now: datetime) -> float:
    share = 1 - (now - at) / timedelta(days=DAYS)
    return round(LEFT + (WIDTH - LEFT - 4) * min(max(share, 0.0), 1.0), 1)


def _y(seconds: float, highest: float) -> float:
    room = HEIGHT - BOTTOM - TOP
    return round(TOP + room * (1 - seconds / highest), 1)


def _at(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"
