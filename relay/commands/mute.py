"""`relay mute` and `relay unmute`: until when no message is sent about a sync."""

import click

from relay.clock import utc_now
from relay.commands.hold import End, by_whom, reason_of
from relay.commands.session import on_database, print_json
from relay.operations.hold import require_scope
from relay.operations.mute import mute as mute_sync
from relay.operations.mute import unmute as unmute_sync
from relay.settings import Settings
from relay.store import HoldScope
from relay.terminal import PROBLEM
from relay.workspaces import DEFAULT_WORKSPACE, SyncKey, display_id


def mute(
    sync_id: int,
    workspace: str | None,
    end: End,
    why: str | None,
    by: str | None,
    *,
    wants_json: bool,
) -> int:
    """Mute the sync and return the exit status."""
    now, sync = utc_now(), _sync(sync_id, workspace)
    until = end.after(now)
    if until is None or until <= now:
        raise click.UsageError("--until is over already")
    with on_database(Settings) as (settings, server):
        problem = require_scope(settings, HoldScope(*sync))
        reason, person = reason_of(why), by_whom(by)
        muted = mute_sync(server, sync, until=until, why=reason, by=person, now=now)
    if problem:
        click.echo(f"warning: {problem}", err=True)
    if wants_json:
        print_json(muted)
    else:
        shown = f"{until.astimezone():%Y-%m-%d %H:%M:%S}"
        click.echo(f"sync {display_id(*sync)}: muted until {shown}; it is triggered as ever")
    return 0


def unmute(sync_id: int, workspace: str | None, *, wants_json: bool) -> int:
    """Unmute the sync and return the exit status: 1 if it was not muted."""
    sync = _sync(sync_id, workspace)
    with on_database(Settings) as (_, server):
        unmuted = unmute_sync(server, sync, by=by_whom(None), now=utc_now())
    if wants_json:
        print_json({"unmuted": unmuted})
    elif unmuted is None:
        click.echo(f"sync {display_id(*sync)}: is not muted, see `relay status`")
    else:
        click.echo(f"sync {display_id(*sync)}: unmuted; what is still wrong with it is told")
    return PROBLEM if unmuted is None else 0


def _sync(sync_id: int, workspace: str | None) -> SyncKey:
    return workspace or DEFAULT_WORKSPACE, sync_id
