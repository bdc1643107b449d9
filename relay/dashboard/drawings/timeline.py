"""A dbt run and the sync runs that followed, on one axis of time: one lane for each sync."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import count, takewhile

import msgspec

from relay.dashboard.text import kind_of, span

WIDTH = 800  # of the drawing, in user units, as all lengths here
AXIS_FROM, AXIS_TO = 110, 640
LANE = 24  # height
TOP = 28  # above the first lane: the axis
NARROWEST = 3  # bar
MOST_TICKS = 6
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)


class Moment(msgspec.Struct, frozen=True):
    """Something that happened to the run."""

    what: str
    at: datetime


class SyncTime(msgspec.Struct, frozen=True):
    """When a sync was decided and sent, and ended; None if it has not been yet."""

    label: str
    state: str
    decided_at: datetime
    sent_at: datetime | None
    ended_at: datetime | None


class Tick(msgspec.Struct, frozen=True):
    """A label of the axis."""

    x: float
    label: str


class Mark(msgspec.Struct, frozen=True):
    """A moment of the run; `shape` tells the moments apart."""

    x: float
    shape: str
    what: str


class Lane(msgspec.Struct, frozen=True):
    """A sync: it waits from `x` on, and runs from `bar_x` on; no bar if it was not sent yet."""

    y: int
    label: str
    state: str
    kind: str
    x: float
    waits: float
    bar_x: float | None
    bar_width: float


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """The drawing; the first lane, at TOP, is the run's."""

    width: int
    height: int
    description: str
    ticks: tuple[Tick, ...]
    marks: tuple[Mark, ...]
    lanes: tuple[Lane, ...]


SHAPES = ("circle", "square", "diamond", "triangle")


def timeline(moments: Sequence[Moment], syncs: Sequence[SyncTime], now: datetime) -> Timeline:
    """Draw at least one moment; what has not ended is drawn up to now."""
    axis = _Axis.over(moments, syncs, now)
    marks = zip(moments, SHAPES, strict=False)
    return Timeline(
        width=WIDTH,
        height=TOP + LANE * (len(syncs) + 1) + 8,
        description=_description(moments, syncs, axis),
        ticks=tuple(axis.ticks()),
        marks=tuple(Mark(axis.x(moment.at), shape, moment.what) for moment, shape in marks),
        lanes=tuple(
            _lane(axis, sync, y=TOP + LANE * number, now=now)
            for number, sync in enumerate(syncs, 1)
        ),
    )


class _Axis(msgspec.Struct, frozen=True):
    start: datetime
    seconds: float

    @classmethod
    def over(cls, moments: Sequence[Moment], syncs: Sequence[SyncTime], now: datetime) -> "_Axis":
        times = [moment.at for moment in moments]
        times += [at for sync in syncs for at in _times(sync, now)]
        start = min(times)
        return cls(start, max((max(times) - start).total_seconds(), 1.0))

    def x(self, at: datetime) -> float:
        passed = (at - self.start).total_seconds() / self.seconds
        return round(AXIS_FROM + passed * (AXIS_TO - AXIS_FROM), 1)

    def ticks(self) -> Iterator[Tick]:
        wide_enough = (step for step in _STEPS if self.seconds / step < MOST_TICKS)
        step = next(wide_enough, self.seconds)
        for at in takewhile(lambda at: at <= self.seconds, count(0, step)):
            x = AXIS_FROM + at / self.seconds * (AXIS_TO - AXIS_FROM)
            yield Tick(round(x, 1), f"+ {span(at)}" if at else "0 s")


def _times(sync: SyncTime, now: datetime) -> tuple[datetime, ...]:
    until = sync.ended_at or now
    return sync.decided_at, sync.sent_at or until, until


def _lane(axis: _Axis, sync: SyncTime, *, y: int, now: datetime) -> Lane:
    decided, sent, ended = (axis.x(at) for at in _times(sync, now))
    return Lane(
        y=y,
        label=sync.label,
        state=sync.state,
        kind=kind_of(sync.state),
        x=decided,
        waits=max(sent - decided, 0.0),
        bar_x=None if sync.sent_at is None else sent,
        bar_width=max(round(ended - sent, 1), NARROWEST),
    )


def _description(moments: Sequence[Moment], syncs: Sequence[SyncTime], axis: _Axis) -> str:
    run = ", ".join(moment.what for moment in moments)
    runs = "sync run" if len(syncs) == 1 else "sync runs"
    return (
        f"{run}; then {len(syncs)} {runs}, over {span(axis.seconds)}."
        " The table below has the same times."
    )
