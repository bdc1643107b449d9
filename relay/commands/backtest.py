"""`relay backtest`: prints totals, a row for each sync, and the differences."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

import click

from relay.backtest.differences import Difference, Kind
from relay.backtest.durations import Origin
from relay.backtest.real_runs import Fault
from relay.backtest.report import Report, SyncReport
from relay.clock import utc_now
from relay.commands.progress import progress
from relay.commands.session import answering, print_json
from relay.commands.tables import Coloured, table, terminal_width, without_empty_columns
from relay.decision.gates import Reason
from relay.mapping_file import load
from relay.notation import write_duration
from relay.operations.backtest import BacktestRequest, backtest
from relay.settings import WorkerSettings
from relay.terminal import PROBLEM
from relay.workspaces import display_id

FIRST = 20  # lines of a list, without --all
_COLOURS = {Kind.SOONER: "green", Kind.UNCHANGED: None, Kind.LATER: "yellow"}
_FAULTS = {
    Fault.UNCHANGED: "nothing new: unchanged since the last one",
    Fault.BEFORE_REBUILD: "began before the rebuild of a running dbt run",
    Fault.MODEL_FAILED: "a model had failed",
    Fault.TEST_FAILED: "a test had failed",
}


class Listed(StrEnum):
    """How many differences and unread runs are printed."""

    FIRST = "first"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person asks for; `cache` is None for the default folder."""

    seconds: int
    dbt_job_ids: tuple[int, ...]
    cache: Path | None


def run(asked: Asked, listed: Listed, *, wants_json: bool) -> int:
    """Print the backtest, and return the exit status: 1 if something could not be read."""
    with answering(WorkerSettings) as settings, progress("Reading the sync runs") as shown:
        mapping = load(settings.mapping, settings.census_hosts)
        cache = asked.cache or settings.data_dir / "backtest"
        request = BacktestRequest(asked.seconds, asked.dbt_job_ids, cache)
        report = backtest(settings, mapping, request, now=utc_now(), tell=shown.update)
    if wants_json:
        print_json(report)
    else:
        most = None if listed is Listed.ALL else FIRST
        for line in describe(report, most=most, width=terminal_width()):
            click.echo(line)
    return 0 if report.is_complete else PROBLEM


def describe(report: Report, *, most: int | None, width: int | None = None) -> Iterator[str]:
    """The report as lines; of each list the first `most`, or all."""
    yield f"Backtest from {_time(report.since)} to {_time(report.until)} UTC"
    yield ""
    yield from _reading(report)
    yield from _totals(report, width)
    yield from _syncs(report.syncs, width)
    yield from _differences(report.differences, most, width)
    yield from _unread(report, most)
    yield ""
    yield from _assumptions(report)


def _reading(report: Report) -> Iterator[str]:
    runs = report.dbt_runs
    could_not = runs.listed - runs.read
    yield (
        f"dbt runs: {runs.listed:,} ended, {runs.read:,} read ({runs.from_cache:,} from the cache),"
        f" {could_not:,} could not be read; {runs.never_count:,} never count (CI and the like)"
    )
    yield f"Decisions: {len(report.decisions):,}"
    if report.unknown_decisions:
        yield (
            f"{report.unknown_decisions:,} of them might differ: they depend on what happened"
            " before, or in a run that could not be read"
        )
    disabled = sum(not sync.enabled for sync in report.syncs)
    if disabled:
        yield f"{disabled} syncs are disabled in the mapping: relay would not have run them"


def _totals(report: Report, width: int | None) -> Iterator[str]:
    totals, lag = report.totals, report.lag
    faulty = f"{totals.faulty:,} of {totals.completed:,}"
    rows: list[tuple[object, ...]] = [
        ("sync runs", f"{totals.modelled:,}", f"{totals.real:,}"),
        ("completed ones that shipped nothing new, or half-built data", None, faulty),
    ]
    for fault, text in _FAULTS.items():
        rows.append((f"  {text}", None, f"{totals.faults.get(fault, 0):,}"))
    rows.append(("  not known: before the window", None, f"{totals.uncertain:,}"))
    relay, census = _duration(lag.modelled_median), _duration(lag.real_median)
    rows.append((f"rebuild to tool, median of {lag.compared:,}", relay, census))
    rows.append(
        ("rebuilds without a later sync run", f"{lag.without_modelled:,}", f"{lag.without_real:,}")
    )
    yield ""
    yield from table(("", "relay", "Census"), rows, width=width)


def _syncs(syncs: Sequence[SyncReport], width: int | None) -> Iterator[str]:
    heading = (
        "sync",
        "name",
        "relay",
        "Census",
        "unchanged",
        "too early",
        "failed",
        "median sooner",
    )
    rows = [_sync_row(sync) for sync in syncs]
    yield ""
    yield from table(*without_empty_columns((*heading, "withheld", "problem"), rows), width=width)


def _sync_row(sync: SyncReport) -> tuple[object, ...]:
    faults = sync.counts.faults
    failed = faults.get(Fault.MODEL_FAILED, 0) + faults.get(Fault.TEST_FAILED, 0)
    is_read = sync.problem is None
    return (
        display_id(sync.workspace, sync.sync_id),
        sync.name,
        sync.counts.modelled,
        sync.counts.real if is_read else None,
        faults.get(Fault.UNCHANGED, 0) if is_read else None,
        faults.get(Fault.BEFORE_REBUILD, 0) if is_read else None,
        failed if is_read else None,
        _signed(sync.lag.sooner_median),
        _withheld(sync.withheld),
        Coloured(sync.problem, "red") if sync.problem else None,
    )


def _withheld(withheld: Mapping[Reason, int]) -> str | None:
    return ", ".join(f"{reason} {many}" for reason, many in sorted(withheld.items())) or None


def _differences(
    differences: Sequence[Difference], most: int | None, width: int | None
) -> Iterator[str]:
    shown = differences[:most]
    rows = [
        (
            _time(one.at),
            display_id(one.workspace, one.sync_id),
            _kind(one),
            one.dbt_run_id,
            one.sync_run_id,
            one.reason,
        )
        for one in shown
    ]
    yield ""
    yield f"Differences: {len(differences):,}"
    if rows:
        heading = ("at (UTC)", "sync", "difference", "dbt run", "sync run", "reason")
        yield from table(heading, rows, width=width)
    yield from _cut(len(differences) - len(shown), "differences")


def _kind(difference: Difference) -> str | Coloured:
    by = _duration(abs(difference.seconds)) if difference.seconds is not None else None
    text = f"{by} {difference.kind}" if by else difference.kind.replace("_", " ")
    colour = _COLOURS.get(difference.kind, "red")
    return Coloured(text, colour) if colour else text


def _unread(report: Report, most: int | None) -> Iterator[str]:
    if not report.unread:
        return
    shown = report.unread[:most]
    yield ""
    yield f"Not read or not decided: {len(report.unread):,}"
    for one in shown:
        yield f"  dbt run {one.dbt_run_id}, ended {_time(one.ended_at)}: {one.problem}"
    yield from _cut(len(report.unread) - len(shown), "runs")


def _cut(left: int, what: str) -> Iterator[str]:
    if left > 0:
        yield f"  … and {left:,} more {what}: --all lists them"


def _assumptions(report: Report) -> Iterator[str]:
    heard = _duration(report.heard_after_seconds)
    yield (
        f"Assumed: relay hears of a dbt run {heard} after its end; a sync run takes the median of"
        " its sync's completed ones; triggers during a sync run become one more."
    )
    guessed = sum(sync.run_seconds_of is not Origin.ITS_RUNS for sync in report.syncs)
    if guessed:
        yield (
            f"{guessed} syncs have no completed run: theirs takes the median of all syncs' runs, or"
            " a minute if there is none."
        )
    if report.totals.waiting:
        yield f"{report.totals.waiting} triggers of relay's still wait at the end."


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _duration(seconds: float | None) -> str | None:
    """To the minute from two minutes on."""
    if seconds is None:
        return None
    return write_duration(round(seconds) if seconds < 2 * 60 else round(seconds / 60) * 60)


def _signed(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return f"{'-' if seconds < 0 else ''}{_duration(abs(seconds))}"
