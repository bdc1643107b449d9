"""`relay hold` and `relay release`: says what is held, and what that does not stop."""

import getpass
import os
import socket
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

import click

from relay.clock import utc_now
from relay.commands.hold_form import describe_hold, until_text
from relay.commands.session import on_database, print_json
from relay.notation import short_message
from relay.operations.hold import Held, Released, describe_scope, require_scope
from relay.operations.hold import hold as hold_syncs
from relay.operations.hold import release as release_syncs
from relay.settings import Settings
from relay.store import HoldScope
from relay.terminal import PROBLEM
from relay.workspaces import DEFAULT_WORKSPACE


class End(NamedTuple):
    """When a hold ends: after `seconds`, at a time, or, with neither, when a person releases it."""

    seconds: int | None
    at: datetime | None

    def after(self, now: datetime) -> datetime | None:
        """The time; None for never."""
        return self.at if self.seconds is None else now + timedelta(seconds=self.seconds)


def scope_of(sync_id: int | None, workspace: str | None, *, is_all: bool) -> HoldScope:
    """What the command line names. Raises click.UsageError."""
    if (sync_id is None) is not is_all:
        raise click.UsageError("say what: either SYNC_ID or --all")
    if sync_id is None:
        return HoldScope(workspace, None)
    return HoldScope(workspace or DEFAULT_WORKSPACE, sync_id)


def hold(scope: HoldScope, end: End, why: str | None, by: str | None, *, wants_json: bool) -> int:
    """Hold the syncs and return the exit status."""
    now = utc_now()
    until = end.after(now)
    if until is not None and until <= now:
        raise click.UsageError("--until is over already")
    with on_database(Settings) as (settings, server):
        problem = require_scope(settings, scope)
        reason = reason_of(why)
        held = hold_syncs(server, scope, until=until, why=reason, by=by_whom(by), now=now)
    if problem:
        click.echo(f"warning: {problem}", err=True)
    if wants_json:
        print_json(held)
    else:
        click.echo("\n".join(_held_lines(held)))
    return 0


def release(scope: HoldScope, by: str | None, *, wants_json: bool) -> int:
    """Release the syncs and return the exit status: 1 if they were not held."""
    with on_database(Settings) as (_, server):
        released = release_syncs(server, scope, by=by_whom(by), now=utc_now())
    if wants_json:
        print_json(released)
    else:
        click.echo("\n".join(_released_lines(scope, released)))
    return PROBLEM if released.released is None else 0


def reason_of(given: str | None) -> str | None:
    """The reason on one line; None if there is none."""
    return (given and short_message(given)) or None


def by_whom(given: str | None) -> str:
    """Who gives the command: as they say, or the operating system's user and host."""
    return (given and short_message(given)) or f"{_user()}@{socket.gethostname()}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user need not have a name
        return str(os.getuid())


def _held_lines(held: Held) -> Iterator[str]:
    yield f"{describe_scope(held.hold)}: held {until_text(held.hold)}; triggers wait"
    if starting := held.underway.starting:
        yield f"  {_sync_runs(starting)} being started: a hold does not stop that"
    if running := held.underway.running:
        yield f"  {_sync_runs(running)} running: followed to the end"


def _sync_runs(count: int) -> str:
    return "1 sync run is" if count == 1 else f"{count} sync runs are"


def _released_lines(scope: HoldScope, result: Released) -> Iterator[str]:
    if result.released is None:
        yield f"{describe_scope(scope)}: no such hold is open, see `relay status`"
    else:
        yield f"{describe_scope(scope)}: released; {_who_starts(result)}"
    for other in result.still_held:
        yield f"  still held: {describe_hold(other)}"


def _who_starts(result: Released) -> str:
    if result.worker.is_well:
        return "a worker triggers what has waited"
    return (
        f"no worker runs ({result.worker.detail}), so it waits until `relay up` or `relay worker` "
        "starts one"
    )
