"""`relay syncs create`: sends a new sync to Census, and says what became of it."""

from typing import BinaryIO

import click

from relay.census.mapping_text import entry_lines
from relay.census.new_entry import new_entry
from relay.census.sync_reader import SyncFile, read_sync
from relay.commands.census import on_workspace
from relay.notation import printable
from relay.operations.create_sync import Creation, Outcome, Wanted, create_sync
from relay.terminal import PROBLEM, exit_on_error

_UNKNOWN = (
    "It is not known whether Census created a sync, and relay does not ask twice."
    " Look with `relay syncs list --unmapped` before you send the file again."
)


def run(file: BinaryIO, workspace: str, wanted: Wanted) -> int:
    """Read the file, send it, print what became of it, and return the exit status."""
    with exit_on_error():
        read = read_sync(file.read(), file=printable(file.name))
    for warning in read.warnings:
        click.echo(f"Warning: {warning}", err=True)
    with on_workspace(workspace, "Waiting for Census, which may take minutes") as census:
        try:
            creation = create_sync(census, read.sync, wanted)
        except KeyboardInterrupt:
            creation = Creation(outcome=Outcome.UNKNOWN, said="interrupted before the answer")
    return _tell(creation, workspace, read)


def _tell(creation: Creation, workspace: str, read: SyncFile) -> int:
    """Print what became of it, and return the exit status."""
    match creation.outcome:
        case Outcome.CREATED:
            assert creation.sync_id is not None
            state = "paused" if read.sync.paused else "not paused"
            click.echo(f"created sync {creation.sync_id}, {state}. For the mapping file:")
            for line in entry_lines([new_entry(workspace, creation.sync_id, read.sync)]):
                click.echo(line)
            return 0
        case Outcome.VALIDATED:
            click.echo(f"{creation.said}\nNothing was created. Census refused nothing.")
            return 0
        case Outcome.REFUSED:
            click.echo(f"Error: refused, no sync was created: {creation.said}", err=True)
        case Outcome.UNKNOWN:
            click.echo(f"Error: {creation.said}\n{_UNKNOWN}", err=True)
    return PROBLEM
