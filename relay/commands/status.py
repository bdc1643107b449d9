"""`relay status`: what is under way, in a form for a terminal."""

from collections.abc import Iterator
from datetime import datetime

import click

from relay.commands.session import on_database, print_json
from relay.commands.tables import table
from relay.operations.status import read_overview
from relay.settings import Settings
from relay.store.status import (
    DeliveryRow,
    GivenUpRow,
    LostLinesRow,
    Overview,
    SyncRunRow,
    TriggerRow,
)
from relay.workspaces import display_id


def run(newest: int, *, wants_json: bool) -> None:
    """Print the overview, so many rows of each."""
    with on_database(Settings) as (_, server):
        overview = read_overview(server, newest=newest)
    if wants_json:
        print_json(overview)
    else:
        click.echo(describe(overview))


def describe(overview: Overview) -> str:
    """A table of each kind of row; one of lost log lines only where there are any."""
    sections = {
        "given up": _given_up(overview.given_up),
        "deliveries": _deliveries(overview.deliveries),
        "triggers": _triggers(overview.triggers),
        "open sync runs": _open_sync_runs(overview.open_sync_runs),
    }
    if overview.lost_log_lines:
        sections["log lines that could not be written"] = _lost_lines(overview.lost_log_lines)
    return "\n\n".join("\n".join((title, *lines)) for title, lines in sections.items())


def _given_up(rows: list[GivenUpRow]) -> Iterator[str]:
    cells = [
        (
            _short(row.given_up_at),
            row.dbt_run_id,
            row.sync_id and display_id(row.workspace or "", row.sync_id),
            row.problem,
        )
        for row in rows
    ]
    return table(("when", "dbt run", "sync", "problem"), cells)


def _deliveries(rows: list[DeliveryRow]) -> Iterator[str]:
    cells = [
        (_short(row.received_at), row.dbt_run_id, row.became, row.why, row.delivery_id)
        for row in rows
    ]
    return table(("received", "dbt run", "became", "why", "delivery"), cells)


def _triggers(rows: list[TriggerRow]) -> Iterator[str]:
    cells = [
        (
            _short(row.requested_at),
            display_id(row.workspace, row.sync_id),
            row.dbt_run_id,
            row.sync_run_id,
            row.state,
            row.problem,
        )
        for row in rows
    ]
    return table(("requested", "sync", "dbt run", "sync run", "state", "problem"), cells)


def _open_sync_runs(rows: list[SyncRunRow]) -> Iterator[str]:
    cells = [
        (
            _short(row.begun_at),
            display_id(row.workspace, row.sync_id),
            row.sync_run_id,
            row.status,
            row.looks,
            row.problem,
        )
        for row in rows
    ]
    return table(("begun", "sync", "sync run", "status", "looks", "problem"), cells)


def _lost_lines(rows: list[LostLinesRow]) -> Iterator[str]:
    cells = [(_short(row.last_at), row.count, row.process, row.problem) for row in rows]
    return table(("last", "lines", "process", "problem"), cells)


def _short(time: datetime) -> str:
    return time.astimezone().strftime("%Y-%m-%d %H:%M:%S")
