"""`relay plan`: what would happen, in a form for a terminal."""

import click

from relay.commands.session import on_database, print_json
from relay.commands.tables import table
from relay.decision.gates import Reason
from relay.operations.plan import Planned, plan_run
from relay.settings import DbtCloudSettings
from relay.workspaces import display_id

MOST_NAMED = 3  # models in a table's cell


def run(dbt_run_id: int, *, wants_json: bool) -> None:
    """Print what relay would do after a dbt run."""
    with on_database(DbtCloudSettings) as (settings, server):
        planned = plan_run(server, settings, dbt_run_id)
    if wants_json:
        print_json(planned)
    else:
        click.echo(describe_plan(planned))


def describe_plan(planned: Planned) -> str:
    """The warnings, then a table, a line for each sync that the run concerns."""
    if planned.never_counts:
        return f"dbt run {planned.dbt_run_id} never counts: {planned.never_counts}"
    rows = [
        (
            display_id(sync.workspace, sync.sync_id),
            "trigger" if sync.reason is Reason.REBUILT else f"withhold: {sync.reason}",
            _few(sync.models),
        )
        for sync in planned.verdicts
    ]
    did = f"{len(planned.rebuilt)} rebuilt, {len(planned.failed)} failed or skipped"
    decisions = table(("sync", "decision", "models"), rows)
    problem = [planned.problem] if planned.problem else []
    warnings = [f"warning: {warning}" for warning in planned.warnings]
    return "\n".join((*warnings, f"dbt run {planned.dbt_run_id}: {did}", *decisions, *problem))


def _few(models: tuple[str, ...]) -> str:
    more = len(models) - MOST_NAMED
    return ", ".join(models[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
