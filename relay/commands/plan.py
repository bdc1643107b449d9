"""`relay plan`: what would happen, in a form for a terminal."""

from collections.abc import Iterator

import click

from relay.commands.session import on_database, print_json
from relay.commands.tables import table
from relay.decision.gates import Reason
from relay.operations.plan import Planned, Unclear, plan_run
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
    """A table, a line for each sync that the run concerns."""
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
    unclear = (f"warning: {each}" for each in _unclear(planned.unclear))
    return "\n".join((f"dbt run {planned.dbt_run_id}: {did}", *decisions, *unclear, *problem))


def _unclear(unclear: Unclear) -> Iterator[str]:
    for index, command in unclear.without_results.items():
        yield (
            f"step {index} ({command}) succeeded without a run_results.json of its own: what it"
            " rebuilt is not known"
        )
    for index in unclear.not_of_this_run:
        yield f"step {index} has a run_results.json of another run or step: it does not count"
    for status, node in unclear.unknown_statuses.items():
        yield f"{node} has the status {status!r}, which relay does not know: not rebuilt"
    for node, relations in unclear.relations.items():
        yield f"{node} was built in several places, and the last one counts: {', '.join(relations)}"


def _few(models: tuple[str, ...]) -> str:
    more = len(models) - MOST_NAMED
    return ", ".join(models[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
