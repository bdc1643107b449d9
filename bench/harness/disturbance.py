"""What something takes from the deliveries: windows with it and without it, in turn."""

import statistics
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from harness import load
from harness.benchmark import Sample, Target, at_least, table

CONCURRENCY = 16
LEAST_RATE = 0.97  # beside it, of that without


@dataclass(frozen=True, slots=True)
class Windows:
    """Those of one kind: deliveries a second, and the p99 in ms until their 202."""

    name: str
    rates: Sample = field(default_factory=Sample)
    p99s: Sample = field(default_factory=Sample)


@dataclass(frozen=True, slots=True)
class Disturbance:
    """The windows without it and beside it, and how long each was."""

    without: Windows
    beside: Windows
    seconds: float

    @property
    def how(self) -> str:
        """A part of a sentence."""
        windows = len(self.without.rates) + len(self.beside.rates)
        return f"{windows} windows of {self.seconds:g} s at {CONCURRENCY} deliveries at once"

    def table(self, what: str) -> str:
        """The medians of both kinds."""
        columns = {"deliveries/s": "{.rates.median:,.0f}", "p99 ms": "{.p99s.median:.1f}"}
        return table((self.without, self.beside), {what: "{.name}"} | columns)

    def target(self, what: str) -> Target:
        """The median of the rounds' ratios."""
        pairs = zip(self.beside.rates, self.without.rates, strict=True)
        ratio = statistics.median(beside / without for beside, without in pairs)
        return at_least(f"deliveries/s with {what}, of those without", ratio, LEAST_RATE)


def measure_disturbance(
    name: str,
    disturb: Callable[[], AbstractContextManager[object]],
    *,
    ports: tuple[int, int],
    seconds: float,
    rounds: int,
) -> Disturbance:
    """Alternating windows on two webs, of which the second is disturbed, or on one.

    Raises SystemExit if a delivery gets no 202.
    """
    sender = load.Load()

    def offer(port: int, beside: AbstractContextManager[object]) -> load.Outcome:
        target = load.Target(port)
        outcome = sender.offer(target, concurrency=CONCURRENCY, seconds=seconds, beside=beside)
        if outcome.refused:
            raise SystemExit(f"{outcome.refused} deliveries did not get a 202")
        return outcome

    offer(ports[0], nullcontext())  # warm-ups
    offer(ports[1], disturb())
    measured = Disturbance(Windows("without"), Windows(name), seconds)
    for number in range(rounds):
        # Which of the two is first changes: a busy machine is busy for both.
        for is_disturbed in (False, True) if number % 2 == 0 else (True, False):
            outcome = offer(ports[is_disturbed], disturb() if is_disturbed else nullcontext())
            windows = measured.beside if is_disturbed else measured.without
            windows.rates.append(outcome.rate)
            windows.p99s.append(Sample(outcome.latencies).p99 * 1e3)
    return measured
