"""The status as text: a head, what needs attention, then the newest rows."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from relay.commands.tables import Coloured, coloured, table, without_empty_columns
from relay.notation import rounded_duration
from relay.operations.api_versions import CensusVersion, v1_end
from relay.operations.hold import describe_scope
from relay.operations.readiness import Check
from relay.operations.status import StatusReport
from relay.store.drift import DriftRow
from relay.store.open_alerts import AlertRow, MuteRow
from relay.store.status import (
    DeliveryRow,
    HoldRow,
    LostLinesRow,
    SyncRunRow,
    TriggerRow,
)
from relay.workspaces import DEFAULT_WORKSPACE, display_id

RED, YELLOW, GREEN = "red", "yellow", "green"
COLOURS = {
    **dict.fromkeys(("failed", "refused", "abandoned", "canceled", "retries exhausted"), RED),
    **dict.fromkeys(("completed_with_rejects", "cooling down", "held", "dry_run", "stuck"), YELLOW),
    "completed": GREEN,
}
GIVEN_UP = "given up"  # in JSON; shown as: retries exhausted
Rows = Sequence[Sequence[object]]


def describe(report: StatusReport, *, width: int | None) -> Iterator[str]:
    """The lines of the status; `width` is the terminal's, None for unlimited lines.

    Empty sections are omitted.
    """
    yield from _head(report)
    for section in _sections(report):
        if section.rows:
            yield from ("", section.title)
            yield from table(*without_empty_columns(section.heading, section.rows), width=width)
            yield from (f"  {line}" for line in section.hint.splitlines())


def _head(report: StatusReport) -> Iterator[str]:
    ready = coloured("ready", GREEN) if report.ready else coloured("not ready", RED)
    yield f"relay is {ready}"
    if report.dry_run:
        yield _head_line("dry run", "nothing is triggered: RELAY_DRY_RUN is set", YELLOW)
    for check in report.checks:
        yield _head_line(check.name, _checked(check, report), None if check.is_well else RED)
    yield _head_line("last delivery", _when(report.last_delivery_at, report.now))
    yield _head_line("last catch-up", _caught_up(report))
    ends = any(each.ends_on for each in report.census)
    yield _head_line("Census API", _census(report), YELLOW if ends else None)


def _head_line(name: str, text: str, colour: str | None = None) -> str:
    return f"  {name:<15}{coloured(text, colour) if colour else text}"


def _checked(check: Check, report: StatusReport) -> str:
    match check.name:
        case "worker" if not check.is_well:
            return f"{check.detail}: `relay up` or `relay worker` starts one"
        case "worker" if report.worker_seen_at:
            return f"ok, seen {_ago(report.now - report.worker_seen_at)}"
        case "mapping" if report.syncs is not None:
            syncs = "1 sync" if report.syncs == 1 else f"{report.syncs} syncs"
            return f"ok, {syncs} in {report.mapping_file}"
    return check.detail


def _caught_up(report: StatusReport) -> str:
    """How far dbt Cloud's list of runs was read by the last catch-up."""
    if report.catch_up_interval is None:
        return "never: RELAY_CATCH_UP_INTERVAL is 0"
    if report.caught_up_until is None:
        return "not yet"
    return f"read dbt Cloud's runs until {_when(report.caught_up_until, report.now)}"


def _census(report: StatusReport) -> str:
    return ", ".join(_census_version(each, report) for each in report.census)


def _census_version(each: CensusVersion, report: StatusReport) -> str:
    where = "" if each.workspace == DEFAULT_WORKSPACE else f" ({each.workspace})"
    if each.api_version is None:
        return f"auto{where}: not found out yet, a worker does"
    if each.ends_on is None:
        return f"{each.api_version}{where}"
    return f"{each.api_version}{where}, which {v1_end(report.now.date())}"


class _Section(NamedTuple):
    """A table; `hint` is printed after it."""

    title: str
    heading: tuple[str, ...]
    rows: Rows
    hint: str = ""


def _sections(report: StatusReport) -> tuple[_Section, ...]:
    return (
        _attention_section(report),
        _alert_section(report.alerts),
        _hold_section(report.holds),
        _mute_section(report.mutes),
        _drift_section(report.drift),
        _delivery_section(report.deliveries),
        _trigger_section(report.triggers),
        _sync_run_section(report.open_sync_runs),
        _lost_line_section(report.lost_log_lines),
    )


def _attention_section(report: StatusReport) -> _Section:
    return _Section(
        coloured("Needs attention", RED),
        ("when", "what", "dbt run", "sync", "sync run", "problem"),
        sorted(_attention_rows(report), key=lambda row: str(row[0]), reverse=True),
        "`relay replay --run ID` evaluates a dbt run again." if report.given_up else "",
    )


def _attention_rows(report: StatusReport) -> Iterator[tuple[object, ...]]:
    for run in report.given_up:
        what = _state("retries exhausted" if run.sync_id is None else "refused")
        sync = _sync(run.workspace, run.sync_id, run.sync_name)
        yield (short_time(run.given_up_at), what, run.dbt_run_id, sync, None, run.problem)
    for row in report.abandoned:
        sync = _sync(row.workspace, row.sync_id, row.sync_name)
        when, what = short_time(row.abandoned_at), _state("abandoned")
        yield (when, what, None, sync, row.sync_run_id, row.problem)
    for job in report.stuck:
        sync = _sync(job.workspace, job.sync_id, job.sync_name)
        problem = "due since then, and no worker has taken it up"
        yield (short_time(job.due_at), _state("stuck"), job.dbt_run_id, sync, None, problem)


def _hold_section(holds: list[HoldRow]) -> _Section:
    rows = [
        (
            _sync(row.workspace, row.sync_id, row.sync_name) or describe_scope(row),
            short_time(row.since),
            "released" if row.until is None else short_time(row.until),
            row.by,
            row.why,
            row.triggers,
        )
        for row in holds
    ]
    heading = ("sync", "since", "until", "by", "reason", "waiting triggers")
    return _Section("Held", heading, rows, "`relay release` ends a hold." if rows else "")


def _alert_section(alerts: list[AlertRow]) -> _Section:
    rows = [
        (
            short_time(row.opened_at),
            Coloured(row.event.replace("_", " "), RED),
            _sync(row.workspace, row.sync_id, row.sync_name),
            row.dbt_run_id,
            row.subject or None,
            row.muted_until and short_time(row.muted_until),
        )
        for row in alerts
    ]
    heading = ("since", "what", "sync", "dbt run", "about", "muted until")
    return _Section("Open alerts", heading, rows)


def _mute_section(mutes: list[MuteRow]) -> _Section:
    rows = [
        (
            _sync(row.workspace, row.sync_id, row.sync_name),
            short_time(row.since),
            short_time(row.until),
            row.by,
            row.why,
        )
        for row in mutes
    ]
    heading = ("sync", "since", "until", "by", "reason")
    return _Section("Muted", heading, rows, "`relay unmute` ends a mute." if rows else "")


def _drift_section(drift: list[DriftRow]) -> _Section:
    rows = [
        (
            short_time(row.found_at),
            Coloured(row.kind.replace("_", " "), RED if row.severity == "problem" else YELLOW),
            _sync(row.workspace, row.sync_id, row.sync_name),
            row.detail,
        )
        for row in drift
    ]
    heading = ("found", "what", "sync", "detail")
    hint = "`relay check --online` compares again, and shows all."
    return _Section("Differences from Census and dbt", heading, rows, hint)


def _delivery_section(deliveries: list[DeliveryRow]) -> _Section:
    rows = [
        (
            short_time(row.received_at),
            row.dbt_run_id,
            _state("retries exhausted" if row.became == GIVEN_UP else row.became),
            row.why,
            row.delivery_id,
        )
        for row in deliveries
    ]
    heading = ("received", "dbt run", "status", "reason", "delivery")
    return _Section("Newest deliveries", heading, rows)


def _trigger_section(triggers: list[TriggerRow]) -> _Section:
    rows = [
        (
            short_time(row.requested_at),
            _sync(row.workspace, row.sync_id, row.sync_name),
            row.dbt_run_id or "manual",
            row.sync_run_id,
            _state_of(row),
            row.problem,
        )
        for row in triggers
    ]
    heading = ("requested", "sync", "dbt run", "sync run", "state", "problem")
    return _Section("Newest triggers", heading, rows)


def _sync_run_section(sync_runs: list[SyncRunRow]) -> _Section:
    rows = [
        (
            short_time(row.begun_at),
            _sync(row.workspace, row.sync_id, row.sync_name),
            row.sync_run_id,
            row.status,
            row.looks,
            row.problem,
        )
        for row in sync_runs
    ]
    heading = ("begun", "sync", "sync run", "status", "polls", "problem")
    return _Section("Open sync runs", heading, rows)


def _lost_line_section(lost: list[LostLinesRow]) -> _Section:
    rows = [(short_time(row.last_at), row.count, row.process, row.problem) for row in lost]
    heading = ("last", "lines", "process", "problem")
    return _Section("Log lines that could not be written", heading, rows)


def _state(word: str) -> object:
    return Coloured(word, COLOURS[word]) if word in COLOURS else word


def _state_of(row: TriggerRow) -> object:
    if row.until is None:
        return _state(row.state)
    return Coloured(f"{row.state} until {short_time(row.until)}", COLOURS[row.state])


def _sync(workspace: str | None, sync_id: int | None, name: str | None) -> str | None:
    if sync_id is None:
        return None
    shown = display_id(workspace or DEFAULT_WORKSPACE, sync_id)
    return f"{shown} {name}" if name else str(shown)


def _when(time: datetime | None, now: datetime) -> str:
    return "none yet" if time is None else f"{short_time(time)}, {_ago(now - time)}"


def _ago(elapsed: timedelta) -> str:
    return f"{rounded_duration(elapsed.total_seconds())} ago"


def short_time(time: datetime) -> str:
    """A time in this machine's zone, to the second."""
    return time.astimezone().strftime("%Y-%m-%d %H:%M:%S")
