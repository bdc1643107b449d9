"""`relay status`: what is under way, in a form for a terminal."""

from datetime import datetime

import click

from relay.commands.session import on_database, print_json
from relay.commands.tables import table
from relay.operations.status import look
from relay.settings import Settings
from relay.store import Overview
from relay.workspaces import told_id


def run(newest: int, *, wants_json: bool) -> None:
    """Print the overview, so many rows of each."""
    with on_database(Settings) as (_, server):
        overview = look(server, newest=newest)
    if wants_json:
        print_json(overview)
    else:
        click.echo(describe(overview))


def describe(seen: Overview) -> str:
    """A table of each."""
    return "\n".join(
        (
            "given up",
            *table(
                ("when", "dbt run", "sync", "problem"),
                [
                    (
                        _short(row.given_up_at),
                        row.dbt_run_id,
                        row.sync_id and told_id(row.workspace or "", row.sync_id),
                        row.problem,
                    )
                    for row in seen.given_up
                ],
            ),
            "",
            "deliveries",
            *table(
                ("received", "dbt run", "became", "why", "delivery"),
                [
                    (_short(row.received_at), row.dbt_run_id, row.became, row.why, row.delivery_id)
                    for row in seen.deliveries
                ],
            ),
            "",
            "triggers",
            *table(
                ("requested", "sync", "dbt run", "sync run", "state", "problem"),
                [
                    (
                        _short(row.requested_at),
                        told_id(row.workspace, row.sync_id),
                        row.dbt_run_id,
                        row.sync_run_id,
                        row.state,
                        row.problem,
                    )
                    for row in seen.triggers
                ],
            ),
            "",
            "open sync runs",
            *table(
                ("begun", "sync", "sync run", "status", "looks", "problem"),
                [
                    (
                        _short(row.begun_at),
                        told_id(row.workspace, row.sync_id),
                        row.sync_run_id,
                        row.status,
                        row.looks,
                        row.problem,
                    )
                    for row in seen.open_sync_runs
                ],
            ),
        )
    )


def _short(time: datetime) -> str:
    return time.astimezone().strftime("%Y-%m-%d %H:%M:%S")
