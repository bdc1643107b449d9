"""`relay replay`: what became of each run, and which syncs are left alone."""

from collections.abc import Iterator, Sequence

import click

from relay.commands.plan import describe_plan
from relay.commands.progress import progress
from relay.commands.session import on_database, print_json
from relay.commands.tables import terminal_width
from relay.operations.replay import (
    Asked,
    Previewed,
    RunReplayed,
    preview,
    replay_run,
    runs_asked_for,
)
from relay.settings import AccountSettings
from relay.store import Redo, Replayed, Triggered
from relay.workspaces import display_id

_WORDS = {
    Replayed.DUE: "a worker will evaluate it",
    Replayed.UNDER_WAY: "it is being evaluated already",
}


def run(asked: Asked, redo: Redo, *, only_shows: bool, wants_json: bool) -> None:
    """Replay each run that is asked for, or only show it, and print what became of it."""
    with on_database(AccountSettings) as (settings, server):
        dbt_run_ids = runs_asked_for(server, settings, asked)
        do = preview if only_shows else replay_run
        results = []
        for dbt_run_id in dbt_run_ids:
            with progress(f"Looking at dbt run {dbt_run_id}"):
                results.append(do(server, settings, dbt_run_id, redo))
            if not wants_json:
                click.echo(describe(results[-1]))
    if wants_json:
        print_json(results)
    elif not dbt_run_ids:
        click.echo("no dbt run was reported in that time")


def describe(result: RunReplayed | Previewed) -> str:
    """What becomes of the run, and a line for each sync that is left alone."""
    match result:
        case RunReplayed():
            first = f"dbt run {result.dbt_run_id}: {_WORDS[result.replay]}"
        case Previewed():
            alone = {(sync.workspace, sync.sync_id) for sync in result.left_alone}
            first = describe_plan(result.planned.without(alone), width=terminal_width())
    return "\n".join((first, *_alone(result.left_alone)))


def _alone(triggered: Sequence[Triggered]) -> Iterator[str]:
    for sync in triggered:
        run = f"sync run {sync.sync_run_id}" if sync.sync_run_id else "its sync run is yet to start"
        name = display_id(sync.workspace, sync.sync_id)
        yield f"  sync {name} was triggered for it already ({run}): --again triggers it again"
