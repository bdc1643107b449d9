"""`relay syncs`: lists and shows the syncs of Census and their runs, and cancels a run."""

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from functools import partial
from pathlib import Path

import click

from relay.commands.census import on_census, on_workspace
from relay.commands.progress import Progress, progress
from relay.commands.session import database_if_any, print_json
from relay.commands.sync_form import describe_runs, describe_sync, describe_syncs, sync_json
from relay.commands.tables import terminal_width
from relay.decision.mapping import SyncMapping
from relay.errors import Unanswered
from relay.operations.census_syncs import (
    LastRuns,
    ListedSync,
    asked_runs,
    list_syncs,
    newest_runs,
    read_dbt_project,
    recorded_runs,
    show_sync,
)
from relay.operations.census_workspaces import asking, read_names
from relay.settings import CensusSettings
from relay.terminal import PROBLEM
from relay.vendors.census import CensusManagement


class Which(Enum):
    """Which syncs are listed."""

    ALL = "all"
    UNMAPPED = "unmapped"


class RunsOf(Enum):
    """Whose last runs are listed: those that relay started, or all that Census knows."""

    RELAY = "relay"
    CENSUS = "census"


def list_all(workspaces: Sequence[str], which: Which, runs: RunsOf, *, wants_json: bool) -> int:
    """Print the syncs of these workspaces, of all if none is named; return the exit status."""
    with on_census(workspaces) as (settings, mapping, clients):
        last_run = _last_runs(settings, clients, runs)
        with progress("Reading the syncs of Census") as line:
            listed = [
                sync
                for workspace, census in clients.items()
                for sync in _of_workspace(workspace, census, mapping, last_run, line)
                if which is Which.ALL or not sync.is_mapped
            ]
    if wants_json:
        print_json(listed)
    else:
        for text in describe_syncs(listed, width=terminal_width()):
            click.echo(text)
    return 0


def _last_runs(
    settings: CensusSettings, clients: Mapping[str, CensusManagement], runs: RunsOf
) -> LastRuns:
    if runs is RunsOf.CENSUS:
        return asked_runs(clients)
    with database_if_any(settings) as server:
        return recorded_runs(server)


def _of_workspace(
    workspace: str,
    census: CensusManagement,
    mapping: SyncMapping,
    last_run: LastRuns,
    line: Progress,
) -> Iterator[ListedSync]:
    with asking(workspace):
        names = read_names(census)
        _say_what_is_unread(names.unread)
        for number, sync in enumerate(list_syncs(workspace, census, names, mapping, last_run), 1):
            line.update(f"Reading the syncs of Census: {number}")
            yield sync


def show(
    workspace: str, sync_id: int, newest: int, manifest: Path | None, *, wants_json: bool
) -> int:
    """Print all that is known of a sync, and return the exit status."""
    with on_census([workspace]) as (settings, mapping, clients):
        census = clients[workspace]
        with (
            database_if_any(settings) as server,
            progress(f"Reading sync {sync_id} of Census"),
            asking(workspace),
        ):
            sync_of = partial(show_sync, workspace, sync_id, census, mapping, server)
            shown = sync_of(read_dbt_project(settings, mapping, manifest), newest=newest)
    _say_what_is_unread(shown.unread)
    if wants_json:
        print_json(sync_json(shown))
    else:
        for text in describe_sync(shown, width=terminal_width()):
            click.echo(text)
    return 0


def runs(workspace: str, sync_id: int, newest: int, *, wants_json: bool) -> int:
    """Print the newest runs of a sync, and return the exit status."""
    with on_workspace(workspace, f"Reading the runs of sync {sync_id}") as census:
        found = list(newest_runs(census, sync_id, newest))
    if wants_json:
        print_json(found)
    else:
        for text in describe_runs(found, width=terminal_width()):
            click.echo(text)
    return 0


def cancel(workspace: str, sync_run_id: int) -> int:
    """Cancel a sync run, and return the exit status."""
    with on_workspace(workspace, f"Cancelling sync run {sync_run_id}") as census:
        try:
            census.cancel_sync_run(sync_run_id)
        except Unanswered as exc:
            click.echo(f"Error: {exc}", err=True)
            click.echo(
                f"Sync run {sync_run_id} may be cancelled nevertheless:"
                " `relay syncs runs SYNC_ID` shows it.",
                err=True,
            )
            return PROBLEM
    click.echo(f"sync run {sync_run_id}: cancelled")
    return 0


def _say_what_is_unread(unread: Sequence[str]) -> None:
    for what in unread:
        click.echo(f"Not read: {what}", err=True)
