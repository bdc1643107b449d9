"""What happened in each of the last 24 hours: triggered and withheld up, failed down."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from relay.store.pages.overview import Hour

HOURS = 24
STEP, BAR = 32, 22
UP, DOWN, BELOW = 100, 40, 20
LEFT = 44
WIDTH = LEFT + HOURS * STEP
HEIGHT = UP + DOWN + BELOW


class Bar(msgspec.Struct, frozen=True):
    """One kind in one hour, in user units; `kind` is triggered, withheld or failed."""

    x: float
    y: float
    height: float
    kind: str
    words: str


class Label(msgspec.Struct, frozen=True):
    """A text below or beside the bars."""

    x: float
    y: float
    words: str


class HourBars(msgspec.Struct, frozen=True):
    """The bars; `hours` are all 24 with their beginnings, the newest first."""

    bars: tuple[Bar, ...]
    labels: tuple[Label, ...]
    hours: tuple[tuple[datetime, Hour], ...]
    width: int = WIDTH
    height: int = HEIGHT
    bar: int = BAR
    baseline: int = UP
    left: int = LEFT


def hour_bars(hours: Sequence[Hour], now: datetime) -> HourBars | None:
    """The drawing; None if nothing happened in these hours."""
    if not hours:
        return None
    known = {hour.ago: hour for hour in hours}
    every = [(_begins(ago, now), known.get(ago, Hour(ago))) for ago in range(HOURS)]
    most_up = max(hour.triggered + hour.withheld for hour in hours)
    most_down = max(hour.failed for hour in hours)
    bars = [bar for at, hour in every for bar in _bars(at, hour, most_up, most_down)]
    marks = [
        Label(_x(hour.ago), HEIGHT - 4, f"{at:%H:%M}") for at, hour in every if hour.ago % 6 == 0
    ]
    scale = [Label(0, 12, f"{most_up:,}"), Label(0, UP + DOWN, f"{most_down:,}")]
    return HourBars(tuple(bars), (*marks, *scale), tuple(every))


def _bars(at: datetime, hour: Hour, most_up: int, most_down: int) -> list[Bar]:
    x, when = _x(hour.ago), f"from {at:%H:%M} UTC"
    triggered = _height(hour.triggered, most_up, UP)
    withheld = _height(hour.withheld, most_up, UP)
    failed = _height(hour.failed, most_down, DOWN)
    bars = [
        Bar(x, UP - triggered, triggered, "triggered", f"{hour.triggered} triggered {when}"),
        Bar(x, UP - triggered - withheld, withheld, "withheld", f"{hour.withheld} withheld {when}"),
        Bar(x, UP, failed, "failed", f"{hour.failed} failed {when}"),
    ]
    return [bar for bar in bars if bar.height]


def _begins(ago: int, now: datetime) -> datetime:
    return now - timedelta(hours=ago + 1)


def _x(ago: int) -> float:
    return LEFT + (HOURS - 1 - ago) * STEP


def _height(count: int, most: int, room: int) -> float:
    return max(round(count / most * room, 1), 1.0) if count else 0.0
