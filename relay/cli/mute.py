"""`relay mute` and `relay unmute`: send no message about a sync."""

import sys
from datetime import datetime

import click

from relay.cli.hold import by_whom
from relay.cli.options import AN_ID, as_json
from relay.commands.parameters import Duration, Time

which_sync = click.argument("sync_id", type=AN_ID)
of_workspace = click.option("--workspace", help="Of the sync.")


@click.command()
@which_sync
@of_workspace
@click.option("--for", "seconds", type=Duration(), help="Unmute it after so long: 30m, 4h, 2d.")
@click.option("--until", type=Time(), help="Unmute it then: 18:00, 2026-11-28T06:00, …T06:00Z.")
@click.option("--why", help="The reason, for those who see that it is muted.")
@by_whom
@as_json
def mute(
    sync_id: int,
    workspace: str | None,
    seconds: int | None,
    until: datetime | None,
    why: str | None,
    by: str | None,
    *,
    wants_json: bool,
) -> None:
    """Send no message about a sync, until a time that you say.

    What is still wrong when it ends is told then. The sync is triggered as ever. To change a mute,
    mute again.
    """
    from relay.commands import mute as command
    from relay.commands.hold import End

    if (seconds is None) is (until is None):
        raise click.UsageError("say when it ends: either --for or --until")
    sys.exit(command.mute(sync_id, workspace, End(seconds, until), why, by, wants_json=wants_json))


@click.command()
@which_sync
@of_workspace
@as_json
def unmute(sync_id: int, workspace: str | None, *, wants_json: bool) -> None:
    """End a mute: what is still wrong with the sync is told."""
    from relay.commands import mute as command

    sys.exit(command.unmute(sync_id, workspace, wants_json=wants_json))
