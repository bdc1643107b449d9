"""What `relay backtest --since 7d` takes: 200 dbt runs a day, 100 syncs that Census runs hourly.

Both vendors are the sandbox, in a process of its own. The command is run twice: with an empty
cache, and again with what the first one has kept.
"""

import argparse
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import msgspec
import yaml
from harness.benchmark import Report, at_most, none_of, options, run, table
from harness.measure import MEGABYTE
from harness.processes import CHECKOUT, RELAY, Remote, environment_of, folder, remote

from relay.sandbox import Sandbox, open_sandbox, story
from relay.sandbox.census_runs import SandboxSync
from relay.sandbox.command import environment
from relay.sandbox.dbt_runs import SandboxRun, SandboxStep, invoke
from relay.sandbox.recordings import load

DAYS, RUNS_A_DAY, SYNCS, JOBS = 7, 200, 100, 20
SYNC_RUNS_TAKE = timedelta(minutes=2)
MOST_SECONDS = 120.0
MOST_A_MINUTE = 5000  # requests that dbt Cloud allows an account
MOST_WITH_ALL_KEPT = 20  # requests

MODELS = ("customers", "crm_orders", "fct_revenue", "fct_tickets", "orders", "tag:crm")


def measure(given: argparse.Namespace) -> Report:
    """The command with an empty cache, then with what that has kept."""
    with folder() as home, remote(_past) as past:
        settings = past.ask("settings") | {
            "RELAY_MAPPING": str(home / "syncs.yml"),
            "RELAY_DATA_DIR": str(home / "data"),
        }
        (home / "syncs.yml").write_text(mapping())
        first = measure_command("an empty cache", settings, past)
        again = measure_command("all of it kept", settings, past)
        kept = sum(file.stat().st_size for file in (home / "data").rglob("*") if file.is_file())
    return _report(first, again, kept / MEGABYTE)


def _report(first: "Row", again: "Row", kept: float) -> Report:
    columns = {
        "with": "{.cache}",
        "seconds": "{.seconds:.1f}",
        "CPU s": "{.cpu:.1f}",
        "memory MB": "{.memory:.0f}",
        "dbt requests": "{.dbt_requests:,}",
        "Census requests": "{.census_requests:,}",
        "dbt a minute, most": "{.most_a_minute:,}",
        "dbt runs": "{.dbt_runs:,}",
        "decisions": "{.decisions:,}",
        "relay's": "{.modelled:,}",
        "Census's": "{.real:,}",
        "differences": "{.differences:,}",
    }
    return Report(
        title="Backtest",
        how=(
            f"{DAYS} days of {RUNS_A_DAY} dbt runs of {JOBS} jobs, {SYNCS} syncs; "
            f"the cache takes {kept:.0f} MB."
        ),
        packages=("msgspec", "requests"),
        parts=[table((first, again), columns)],
        targets=(
            at_most("seconds", first.seconds, MOST_SECONDS, ".1f"),
            at_most("dbt requests a minute", first.most_a_minute, MOST_A_MINUTE, ",d"),
            none_of("runs that could not be read", first.unread),
            at_most(
                "dbt requests with all of it kept", again.dbt_requests, MOST_WITH_ALL_KEPT, "d"
            ),
        ),
        numbers=[first, again],
    )


@dataclass(frozen=True, slots=True)
class Row:
    """One run of the command. `memory` is the most that was resident, in MB."""

    cache: str
    seconds: float
    cpu: float
    memory: float
    dbt_requests: int
    census_requests: int
    most_a_minute: int
    dbt_runs: int
    unread: int
    decisions: int
    modelled: int
    real: int
    differences: int


class _Counts(msgspec.Struct):
    modelled: int
    real: int


class _Reading(msgspec.Struct):
    read: int


class _Report(msgspec.Struct):
    dbt_runs: _Reading
    totals: _Counts
    unread: list[msgspec.Raw]
    decisions: list[msgspec.Raw]
    differences: list[msgspec.Raw]


def measure_command(cache: str, settings: dict[str, str], past: Remote) -> Row:
    """Run the command once."""
    began = time.monotonic()
    with subprocess.Popen(
        [*RELAY, "backtest", "--since", f"{DAYS}d", "--json"],
        cwd=CHECKOUT,
        env=environment_of(settings),
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout
        report = msgspec.json.decode(process.stdout.read(), type=_Report)
        _, _, used = os.wait4(process.pid, 0)
        process.returncode = 0
    seconds = time.monotonic() - began
    dbt_requests, census_requests, most_a_minute = past.ask("asked")
    return Row(
        cache=cache,
        seconds=seconds,
        cpu=used.ru_utime + used.ru_stime,
        memory=used.ru_maxrss * 1024 / MEGABYTE,
        dbt_requests=dbt_requests,
        census_requests=census_requests,
        most_a_minute=most_a_minute,
        dbt_runs=report.dbt_runs.read,
        unread=len(report.unread),
        decisions=len(report.decisions),
        modelled=report.totals.modelled,
        real=report.totals.real,
        differences=len(report.differences),
    )


def mapping() -> str:
    """A hundred syncs: most by name, some by a tag, some that wait for all or cool down."""
    syncs = [
        {
            "sync_id": 6000 + number,
            "depends_on": [MODELS[number % len(MODELS)], MODELS[(number + 2) % len(MODELS)]],
            **({"require": "all"} if number % 5 == 0 else {}),
            **({"at_most_every": "30m"} if number % 4 == 0 else {}),
        }
        for number in range(SYNCS)
    ]
    return yaml.safe_dump({"version": 1, "syncs": syncs}, sort_keys=False)


class _Past:
    """The sandbox with its past, and what it was asked since the last time."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._counted = 0, 0

    def settings(self) -> dict[str, str]:
        return environment(self._sandbox.dbt_cloud.url, self._sandbox.census.url)

    def asked(self) -> tuple[int, int, int]:
        """The requests of both vendors, and dbt Cloud's most in a minute."""
        counted = (
            sum(self._sandbox.dbt_cloud.request_counts.values()),
            sum(self._sandbox.census.request_counts.values()),
        )
        dbt, census = (now - then for now, then in zip(counted, self._counted, strict=True))
        self._counted = counted
        seen = self._sandbox.dbt_cloud.requests
        arrivals = [request.at for request in seen[max(len(seen) - dbt, 0) :]]
        return dbt, census, _most_a_minute(arrivals)


@contextmanager
def _past() -> Iterator[_Past]:
    clock = _Clock(datetime.now(UTC) - timedelta(days=DAYS))
    with open_sandbox(runs_take=SYNC_RUNS_TAKE, clock=clock) as sandbox:
        _live(sandbox, clock)
        yield _Past(sandbox)


class _Clock:
    """The time of the past that is being made; once that is over (None), the real time."""

    def __init__(self, now: datetime) -> None:
        self.now: datetime | None = now

    def __call__(self) -> datetime:
        return self.now or datetime.now(UTC)


def _live(sandbox: Sandbox, clock: _Clock) -> None:
    """A week: dbt runs at random moments, and each sync once an hour."""
    rng = random.Random(0)
    for number in range(SYNCS):
        sandbox.census.add_sync(
            SandboxSync(
                sync_id=6000 + number, label=None, source="customers", destination_object="Contact"
            )
        )
    week = DAYS * 86400
    runs = [(rng.uniform(120, week - 900), "dbt", each) for each in range(DAYS * RUNS_A_DAY)]
    hours = [(60.0 * minute, "sync", minute) for minute in range(week // 60)]
    began, steps = clock(), _steps()
    for seconds, kind, number in sorted([*runs, *hours]):
        clock.now = began + timedelta(seconds=seconds)
        if kind == "dbt":
            sandbox.dbt_cloud.add_run(_run(number, rng.choice(steps), rng))
        else:
            for sync in range(number % 60, SYNCS, 60):
                sandbox.census.trigger(6000 + sync)
    clock.now = None


def _steps() -> list[tuple[SandboxStep, SandboxStep]]:
    """What the jobs do: the whole project, parts of it, and at times a failure."""
    build, docs = load("build"), invoke("dbt docs generate", load("docs_generate"))
    parts = (("customers",), ("fct_revenue", "orders"), ("crm_orders", "fct_tickets"))
    recordings = [
        *(build for _ in range(8)),
        *(build.only(*(f"model.jaffle_crm.{name}" for name in part)) for part in parts),
        load("build_model_error"),
    ]
    return [(invoke("dbt build", recording), docs) for recording in recordings]


def _run(number: int, steps: tuple[SandboxStep, SandboxStep], rng: random.Random) -> SandboxRun:
    fresh = (invoke(step.command or "", step.recording) for step in steps)
    run = SandboxRun.of(*fresh, dbt_run_id=story.FIRST_DBT_RUN_ID + number)
    day = number // RUNS_A_DAY
    return replace(run, dbt_job_id=278164 + rng.randrange(JOBS), git_sha=f"{day:040x}")


def _most_a_minute(arrivals: list[datetime]) -> int:
    """The most requests in any 60 seconds."""
    most, first = 0, 0
    for last, at in enumerate(arrivals):
        while at - arrivals[first] > timedelta(minutes=1):
            first += 1
        most = max(most, last - first + 1)
    return most


if __name__ == "__main__":
    sys.exit(run(measure, options(__doc__)))
