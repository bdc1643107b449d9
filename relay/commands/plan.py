"""`relay plan`: prints what relay would do after a dbt run."""

import click

from relay.commands.hold_form import until_text
from relay.commands.progress import progress
from relay.commands.session import print_json, with_or_without_database
from relay.commands.tables import Coloured, table, terminal_width
from relay.decision.gates import Reason
from relay.operations.plan import Planned, PlannedSync, plan_run
from relay.settings import DbtCloudSettings
from relay.workspaces import display_id

MOST_NAMED = 3  # models in a table's cell
AFFECTS_NOTHING = (
    "The run executed no model that a sync of {mapping} depends on. To find misspelt selectors:\n"
    "relay check {mapping} --manifest target/manifest.json"
)


def run(dbt_run_id: int, *, wants_json: bool) -> None:
    """Print what relay would do after a dbt run."""
    with (
        with_or_without_database(DbtCloudSettings) as (settings, server),
        progress(f"Reading what dbt run {dbt_run_id} did"),
    ):
        planned = plan_run(server, settings, dbt_run_id)
    if wants_json:
        print_json(planned)
    else:
        click.echo(describe_plan(planned, width=terminal_width()))
        if planned.affects_nothing:
            click.echo(AFFECTS_NOTHING.format(mapping=settings.mapping))


def describe_plan(planned: Planned, *, width: int | None = None) -> str:
    """The warnings, then a table with a row for each sync that the run affects.

    `width` is the terminal's, None for unlimited lines.
    """
    if planned.never_counts:
        return f"dbt run {planned.dbt_run_id} never counts: {planned.never_counts}"
    rows = [
        (
            display_id(sync.workspace, sync.sync_id),
            _decision(sync),
            _shortened(sync.models),
        )
        for sync in planned.verdicts
    ]
    did = f"{len(planned.rebuilt)} rebuilt, {len(planned.failed)} failed or skipped"
    decisions = table(("sync", "decision", "models"), rows, width=width)
    problem = [planned.problem] if planned.problem else []
    warnings = [f"warning: {warning}" for warning in planned.warnings]
    unclear = (f"warning: {each}" for each in planned.unclear.texts)
    run = f"dbt run {planned.dbt_run_id}: {did}"
    return "\n".join((*warnings, run, *decisions, *unclear, *problem))


def _decision(sync: PlannedSync) -> Coloured:
    if sync.reason is not Reason.REBUILT:
        return Coloured(f"withhold: {sync.reason}", "yellow")
    if sync.hold is not None:
        return Coloured(f"trigger, held {until_text(sync.hold)}", "yellow")
    return Coloured("trigger", "green")


def _shortened(models: tuple[str, ...]) -> str:
    more = len(models) - MOST_NAMED
    return ", ".join(models[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
