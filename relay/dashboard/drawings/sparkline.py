"""The newest sync runs of a sync, as bars: up by their lag, down if they ended badly."""

from collections import Counter, defaultdict
from collections.abc import Sequence

import msgspec

from relay.dashboard import text
from relay.store.pages.syncs import RECENT_RUNS, RecentRun

BAR, GAP, UP, DOWN = 6, 2, 18, 6
HEIGHT = UP + DOWN
WIDTH = RECENT_RUNS * (BAR + GAP)
LOWEST = 2


class Bar(msgspec.Struct, frozen=True):
    """A sync run, in user units from the top left; `kind` is the kind of its outcome."""

    x: float
    y: float
    height: float
    kind: str


class Sparkline(msgspec.Struct, frozen=True):
    """The bars, the oldest first, and what they show in words."""

    bars: tuple[Bar, ...]
    words: str
    width: int = WIDTH
    height: int = HEIGHT
    baseline: int = UP

    @property
    def outlines(self) -> dict[str, str]:
        """The bars of each kind as the data of one SVG path: a list has up to 1,400 bars."""
        found: dict[str, str] = defaultdict(str)
        for bar in self.bars:
            found[bar.kind] += f"M{bar.x} {bar.y}h{BAR}v{bar.height}h-{BAR}z"
        return found


def sparkline(runs: Sequence[RecentRun]) -> Sparkline | None:
    """The drawing of these runs, the newest first; None if there are none."""
    if not runs:
        return None
    longest = max((run.lag for run in runs if run.lag is not None), default=0.0)
    bars = (
        _bar(WIDTH - (place + 1) * (BAR + GAP) + GAP, run, longest)
        for place, run in enumerate(runs[:RECENT_RUNS])
    )
    return Sparkline(tuple(bars)[::-1], _words(runs[:RECENT_RUNS]))


def _bar(x: float, run: RecentRun, longest: float) -> Bar:
    kind = text.kind_of(run.outcome)
    if kind == "bad":
        return Bar(x, UP, DOWN, kind)
    share = run.lag / longest if run.lag is not None and longest else 0.0
    height = max(round(share * UP, 1), LOWEST)
    return Bar(x, UP - height, height, kind)


def _words(runs: Sequence[RecentRun]) -> str:
    outcomes = Counter(run.outcome for run in runs)
    counted = ", ".join(f"{outcome} {count}" for outcome, count in outcomes.most_common())
    lags = [run.lag for run in runs if run.lag is not None]
    between = f"; lag {text.span(min(lags))} to {text.span(max(lags))}" if lags else ""
    return f"Last {len(runs)} sync runs: {counted}{between}"
