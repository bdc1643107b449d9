"""What something takes from the deliveries: windows with it and without it, in turn."""

import statistics
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from harness import load
from harness.benchmark import Target, at_least, percentile, table

CONCURRENCY = 16
LEAST_RATE = 0.97  # beside it, of that without

Beside = Callable[[], AbstractContextManager[object]]


@dataclass(frozen=True, slots=True)
class Window:
    """One window of deliveries."""

    rate: float  # a second
    p99: float  # ms


@dataclass(frozen=True, slots=True)
class Disturbance:
    """The windows without it and beside it, by round."""

    without: list[Window]
    beside: list[Window]

    def table(self, what: str, name: str) -> str:
        """The medians of both kinds."""
        rows = [_Row.of("without", self.without), _Row.of(name, self.beside)]
        return table(
            rows, {what: "{.name}", "deliveries/s": "{.rate:,.0f}", "p99 ms": "{.p99:.1f}"}
        )

    def target(self, what: str) -> Target:
        """The median of the rounds' ratios."""
        pairs = zip(self.beside, self.without, strict=True)
        ratio = statistics.median(beside.rate / without.rate for beside, without in pairs)
        return at_least(f"deliveries/s {what}, of those without", ratio, LEAST_RATE)

    def how(self, seconds: float) -> str:
        """A part of a sentence."""
        windows = len(self.without) + len(self.beside)
        return f"{windows} windows of {seconds:g} s at {CONCURRENCY} deliveries at once"


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    rate: float
    p99: float

    @classmethod
    def of(cls, name: str, windows: list[Window]) -> "_Row":
        rates, p99s = [one.rate for one in windows], [one.p99 for one in windows]
        return cls(name, statistics.median(rates), statistics.median(p99s))


def measure_disturbance(
    *, port: int, disturbed_port: int, disturb: Beside, seconds: float, rounds: int
) -> Disturbance:
    """Alternating windows on two webs, or on one. Raises SystemExit if a delivery gets no 202."""
    sender = load.Load()

    def window(at: int, beside: Beside) -> Window:
        target = load.Target(at)
        outcome = sender.offer(target, concurrency=CONCURRENCY, seconds=seconds, beside=beside())
        if outcome.refused:
            raise SystemExit(f"{outcome.refused} deliveries did not get a 202")
        return Window(outcome.rate, percentile(outcome.latencies, 99) * 1e3)

    measured = Disturbance([], [])
    kinds = [(measured.without, port, nullcontext), (measured.beside, disturbed_port, disturb)]
    for _, at, beside in kinds:
        window(at, beside)  # a warm-up
    for number in range(rounds):
        # Which of the two is first changes: a busy machine is busy for both.
        for windows, at, beside in kinds if number % 2 == 0 else reversed(kinds):
            windows.append(window(at, beside))
    return measured
