"""`relay hold` and `relay release`: let the triggers of syncs wait."""

import sys
from datetime import datetime

import click

from relay.cli.options import AN_ID, as_json
from relay.commands.parameters import Duration, Time

which_sync = click.argument("sync_id", required=False, type=AN_ID)
all_syncs = click.option("--all", "all_syncs", is_flag=True, help="All syncs.")
of_workspace = click.option(
    "--workspace", help="Of the sync; with --all, only the syncs of this workspace."
)
by_whom = click.option("--by", help="Who does it.  [default: USER@HOST of this command]")


@click.command()
@which_sync
@all_syncs
@of_workspace
@click.option("--for", "seconds", type=Duration(), help="Release it after so long: 30m, 4h, 2d.")
@click.option("--until", type=Time(), help="Release it then: 18:00, 2026-11-28T06:00, …T06:00Z.")
@click.option("--why", help="The reason, for those who see that it is held.")
@by_whom
@as_json
def hold(
    sync_id: int | None,
    workspace: str | None,
    seconds: int | None,
    until: datetime | None,
    why: str | None,
    by: str | None,
    *,
    all_syncs: bool,
    wants_json: bool,
) -> None:
    """Hold a sync, or all of them: no sync run is started, and nothing is lost.

    dbt runs are evaluated as ever. Triggers wait, and become one sync run when the hold is released
    or its time is up. A sync run that is running, or being started, is not stopped. To change a
    hold, hold again.
    """
    from relay.commands import hold as command

    if seconds is not None and until is not None:
        raise click.UsageError("say when it ends: either --for or --until")
    scope = command.scope_of(sync_id, workspace, is_all=all_syncs)
    sys.exit(command.hold(scope, command.End(seconds, until), why, by, wants_json=wants_json))


@click.command()
@which_sync
@all_syncs
@of_workspace
@by_whom
@as_json
def release(
    sync_id: int | None,
    workspace: str | None,
    by: str | None,
    *,
    all_syncs: bool,
    wants_json: bool,
) -> None:
    """End a hold: what has waited is triggered, as one sync run for each sync.

    A hold of all syncs and holds of single ones are independent: --all ends only what --all has
    begun.
    """
    from relay.commands import hold as command

    scope = command.scope_of(sync_id, workspace, is_all=all_syncs)
    sys.exit(command.release(scope, by, wants_json=wants_json))
