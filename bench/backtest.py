"""What `relay backtest --since 7d` takes: 200 dbt runs a day, 100 syncs that Census runs hourly.

Both vendors are the sandbox, in a process of its own. The command is run twice: with an empty
cache, and again with what the first one has kept.
"""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec
import yaml
from harness.processes import RELAY, child, environment_of, folder
from harness.report import machine, markdown, parser_of, publish, targets_table

from relay.sandbox import Sandbox, open_sandbox, story
from relay.sandbox.census_runs import SandboxSync
from relay.sandbox.command import environment
from relay.sandbox.dbt_runs import SandboxRun, SandboxStep, invoke
from relay.sandbox.recordings import load

REPORT = Path(__file__).parent / "backtest.md"
DAYS, RUNS_A_DAY, SYNCS, JOBS = 7, 200, 100, 20
SYNC_RUNS_TAKE = timedelta(minutes=2)
MOST_SECONDS = 120.0
MOST_A_MINUTE = 5000  # requests that dbt Cloud allows an account

MODELS = ("customers", "crm_orders", "fct_revenue", "fct_tickets", "orders", "tag:crm")


def main() -> int:
    """Measure, print, keep the table; 1 if a target is missed."""
    options = parser_of(__doc__ or "").parse_args()
    with folder() as home, child(serve) as pipe:
        settings = pipe.recv() | {
            "RELAY_MAPPING": str(home / "syncs.yml"),
            "RELAY_DATA_DIR": str(home / "data"),
        }
        (home / "syncs.yml").write_text(mapping())
        rows = [measure(name, settings, pipe) for name in ("an empty cache", "all of it kept")]
        kept = sum(file.stat().st_size for file in (home / "data").rglob("*") if file.is_file())
    return publish(Results(rows, kept / 10**6), REPORT, options)


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


@dataclass(frozen=True, slots=True)
class Results:
    """Both runs of the command, and what the cache takes in MB."""

    rows: list[Row]
    kept: float

    @property
    def has_passed(self) -> bool:
        return all(is_met for _, _, is_met in self._targets())

    def table(self) -> str:
        """The runs, then the targets."""
        heading = ("with", "seconds", "CPU s", "memory MB", "dbt requests", "Census requests")
        more = ("dbt a minute, most", "dbt runs", "decisions", "relay's", "Census's", "differences")
        rows = [
            (
                *(one.cache, f"{one.seconds:.1f}", f"{one.cpu:.1f}", f"{one.memory:.0f}"),
                *(f"{one.dbt_requests:,}", f"{one.census_requests:,}", f"{one.most_a_minute:,}"),
                *(f"{one.dbt_runs:,}", f"{one.decisions:,}", f"{one.modelled:,}"),
                *(f"{one.real:,}", f"{one.differences:,}"),
            )
            for one in self.rows
        ]
        return f"{markdown((*heading, *more), rows)}\n\n{targets_table(self._targets())}"

    def _targets(self) -> Iterator[tuple[str, str, bool]]:
        first, again = self.rows
        seconds, most = first.seconds, first.most_a_minute
        yield f"seconds <= {MOST_SECONDS:g}", f"{seconds:.1f}", seconds <= MOST_SECONDS
        yield f"dbt requests a minute <= {MOST_A_MINUTE:,}", f"{most:,}", most <= MOST_A_MINUTE
        yield "runs that could not be read", str(first.unread), not first.unread
        asked = again.dbt_requests
        yield "dbt requests with all of it kept <= 20", str(asked), asked <= 20

    def report(self) -> str:
        """The file in bench/."""
        what = f"{DAYS} days of {RUNS_A_DAY} dbt runs of {JOBS} jobs, {SYNCS} syncs"
        where = f"{machine('msgspec', 'requests')}. {what}; the cache takes {self.kept:.0f} MB."
        return f"# Backtest\n\n{where}\n\n{self.table()}\n"

    def as_json(self) -> dict[str, object]:
        """Every number."""
        return {"rows": [asdict(row) for row in self.rows], "kept_megabytes": self.kept}


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


def measure(cache: str, settings: dict[str, str], pipe: Connection) -> Row:
    """Run the command once."""
    pipe.send("begin")
    pipe.recv()
    began = time.monotonic()
    with subprocess.Popen(
        [*RELAY, "backtest", "--since", f"{DAYS}d", "--json"],
        env=environment_of(settings),
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout
        report = msgspec.json.decode(process.stdout.read(), type=_Report)
        _, _, used = os.wait4(process.pid, 0)
        process.returncode = 0
    seconds = time.monotonic() - began
    pipe.send("end")
    dbt_requests, census_requests, most_a_minute = pipe.recv()
    return Row(
        cache=cache,
        seconds=seconds,
        cpu=used.ru_utime + used.ru_stime,
        memory=used.ru_maxrss / 1000,
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


def serve(pipe: Connection) -> None:
    """The sandbox with its past; tells its settings, and what was asked between two messages."""
    clock = _Clock(datetime.now(UTC) - timedelta(days=DAYS))
    with open_sandbox(runs_take=SYNC_RUNS_TAKE, clock=clock) as sandbox:
        _live(sandbox, clock)
        pipe.send(environment(sandbox.dbt_cloud.url, sandbox.census.url))
        while True:
            pipe.recv()
            before = _asked(sandbox)
            pipe.send("ready")
            pipe.recv()
            dbt, census = (now - then for now, then in zip(_asked(sandbox), before, strict=True))
            arrivals = [seen.at for seen in sandbox.dbt_cloud.requests][-dbt:]
            pipe.send((dbt, census, _most_a_minute(arrivals)))


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


def _asked(sandbox: Sandbox) -> tuple[int, int]:
    return (
        sum(sandbox.dbt_cloud.request_counts.values()),
        sum(sandbox.census.request_counts.values()),
    )


def _most_a_minute(arrivals: list[datetime]) -> int:
    """The most requests in any 60 seconds."""
    most, first = 0, 0
    for last, at in enumerate(arrivals):
        while at - arrivals[first] > timedelta(minutes=1):
            first += 1
        most = max(most, last - first + 1)
    return most


if __name__ == "__main__":
    sys.exit(main())
