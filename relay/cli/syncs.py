"""`relay syncs`: the syncs of Census."""

import sys
from pathlib import Path
from typing import BinaryIO

import click

from relay.cli.options import AN_ID, as_json
from relay.workspaces import DEFAULT_WORKSPACE

NEWEST_RUNS = click.IntRange(min=1, max=10_000)

of_workspace = click.option("--workspace", default=DEFAULT_WORKSPACE, show_default=True)
of_workspaces = click.option(
    "--workspace",
    "workspaces",
    multiple=True,
    help=f"Only this one; may be given several times. Default: {DEFAULT_WORKSPACE} and all of the "
    "mapping file.",
)


@click.group()
def syncs() -> None:
    """Look at the syncs of Census, and create them."""


@syncs.command(name="list")
@click.option("--unmapped", is_flag=True, help="Only those that the mapping file does not have.")
@of_workspaces
@click.option(
    "--runs",
    "runs_of",
    flag_value="census",
    default="relay",
    help="Ask Census for the last run of each sync: one request each.",
)
@as_json
def list_(workspaces: tuple[str, ...], runs_of: str, *, unmapped: bool, wants_json: bool) -> None:
    """List the syncs of Census: what they read and write, and what starts them.

    The last run is the last one that relay started, from its database; with --runs the last one
    of all, from Census.
    """
    from relay.commands import syncs as command

    which = command.Which.UNMAPPED if unmapped else command.Which.ALL
    sys.exit(command.list_all(workspaces, which, command.RunsOf(runs_of), wants_json=wants_json))


@syncs.command()
@click.argument("sync_id", type=AN_ID)
@of_workspace
@click.option(
    "--newest", type=NEWEST_RUNS, default=5, show_default=True, help="How many runs to show."
)
@click.option(
    "--manifest",
    type=click.Path(path_type=Path),
    help="Take this manifest.json. Default: that of the newest runs of the mapped jobs.",
)
@as_json
def show(
    sync_id: int, workspace: str, newest: int, manifest: Path | None, *, wants_json: bool
) -> None:
    """Show a sync of Census: what starts it, its last runs, and what relay decided last.

    Also the dbt nodes that build what it reads, by the newest manifest at dbt Cloud.
    """
    from relay.commands import syncs as command

    sys.exit(command.show(workspace, sync_id, newest, manifest, wants_json=wants_json))


@syncs.command()
@click.argument("sync_id", type=AN_ID)
@of_workspace
@click.option(
    "--newest", type=NEWEST_RUNS, default=10, show_default=True, help="How many runs to show."
)
@as_json
def runs(sync_id: int, workspace: str, newest: int, *, wants_json: bool) -> None:
    """Show the newest runs of a sync, whatever started them."""
    from relay.commands import syncs as command

    sys.exit(command.runs(workspace, sync_id, newest, wants_json=wants_json))


@syncs.command()
@click.argument("file", type=click.File("rb"))
@of_workspace
@click.option("--validate-only", is_flag=True, help="Have Census check it, and create nothing.")
def create(file: BinaryIO, workspace: str, *, validate_only: bool) -> None:
    """Create the sync that FILE (- for stdin) describes, as YAML or JSON.

    Its keys are those of Census's API; config/sync.schema.json has them all. Every problem of the
    file is reported before anything is sent. A new sync is paused, unless the file says `paused:
    false`.

    Census may take minutes to answer. The request is never repeated: when it is not known whether
    there is a new sync, relay says so.
    """
    from relay.commands import create_sync as command
    from relay.operations.create_sync import Wanted

    wanted = Wanted.VALIDATION if validate_only else Wanted.AS_WRITTEN
    sys.exit(command.run(file, workspace, wanted))


@syncs.command()
@click.argument("sync_run_id", type=AN_ID)
@of_workspace
def cancel(sync_run_id: int, workspace: str) -> None:
    """Cancel a sync run that has not ended."""
    from relay.commands import syncs as command

    sys.exit(command.cancel(workspace, sync_run_id))
