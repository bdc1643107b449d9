"""`relay replay`: prints the result for each run, and which syncs are not triggered again."""

from collections.abc import Iterator, Sequence
from functools import partial

import click

from relay.commands.hold import by_whom
from relay.commands.plan import describe_plan
from relay.commands.progress import progress
from relay.commands.session import on_database, print_json
from relay.commands.tables import terminal_width
from relay.operations.replay import (
    Previewed,
    ReplayRequest,
    RunReplayed,
    preview,
    replay_run,
    runs_to_replay,
)
from relay.settings import AccountSettings
from relay.store import Redo, Replayed, Triggered
from relay.sync_runs import Outcome
from relay.workspaces import display_id

_MESSAGES = {
    Replayed.DUE: "a worker will evaluate it",
    Replayed.RUNNING: "it is being evaluated already",
}


def run(asked: ReplayRequest, redo: Redo, *, dry_run: bool, wants_json: bool) -> None:
    """Replay each requested run, or only preview it, and print the result."""
    with on_database(AccountSettings) as (settings, server):
        dbt_run_ids = runs_to_replay(server, settings, asked)
        do = preview if dry_run else partial(replay_run, by=by_whom(None))
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
    """The result for the run, and a line for each sync that is not triggered again."""
    match result:
        case RunReplayed():
            first = f"dbt run {result.dbt_run_id}: {_MESSAGES[result.replay]}"
        case Previewed():
            alone = {(sync.workspace, sync.sync_id) for sync in result.left_alone}
            first = describe_plan(result.planned.without(alone), width=terminal_width())
    return "\n".join((first, *_skipped(result.left_alone)))


def _skipped(triggered: Sequence[Triggered]) -> Iterator[str]:
    for sync in triggered:
        name = display_id(sync.workspace, sync.sync_id)
        if sync.outcome == Outcome.DRY_RUN:
            yield f"  sync {name} was decided for it in a dry run: --again triggers it"
            continue
        run = f"sync run {sync.sync_run_id}" if sync.sync_run_id else "its sync run is yet to start"
        yield f"  sync {name} was triggered for it already ({run}): --again triggers it again"
