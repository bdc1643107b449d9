"""`relay trigger`: trigger a sync without a dbt run, and wait for its end if requested."""

from enum import Enum
from pathlib import Path

import click

from relay.clock import utc_now
from relay.commands.hold import by_whom
from relay.commands.hold_form import hold_text
from relay.commands.progress import progress
from relay.commands.session import on_database
from relay.commands.tables import coloured
from relay.decision.mapping import SyncMapping
from relay.errors import NotMapped
from relay.mapping_file import load
from relay.operations.sync_lookup import find_mapped
from relay.operations.trigger import Records, Requested, follow, trigger
from relay.postgres.server import Server
from relay.settings import Settings
from relay.store import Mode, TriggerProgress
from relay.sync_runs import Outcome
from relay.terminal import PROBLEM
from relay.workspaces import display_id

_COLOURS = {Outcome.COMPLETED: "green", Outcome.COMPLETED_WITH_REJECTS: "yellow"}


class Unmapped(Enum):
    """How to treat a sync that is not in the mapping file."""

    REFUSED = "refused"
    TRIGGERED = "triggered"


class Until(Enum):
    """What the command waits for."""

    REQUESTED = "requested"
    ENDED = "ended"  # the sync run has


def run(sync_id: int, workspace: str, records: Records, *, unmapped: Unmapped, until: Until) -> int:
    """Queue a manual trigger of the sync, and return the exit status."""
    with on_database(Settings) as (settings, server):
        mapping = load(settings.mapping, settings.census_hosts)
        if unmapped is Unmapped.REFUSED:
            _require_mapped(mapping, settings.mapping, workspace, sync_id)
        mode = Mode.DRY_RUN if settings.dry_run else Mode.LIVE
        requested = trigger(
            server,
            mapping,
            workspace,
            sync_id,
            records,
            by=by_whom(None),
            now=utc_now(),
            mode=mode,
        )
        shown = f"sync {display_id(workspace, sync_id)}"
        if requested.hold is not None:
            click.echo(f"{shown}: held {hold_text(requested.hold)}", err=until is Until.ENDED)
        if until is Until.REQUESTED or not requested.worker.is_well:
            click.echo(f"{shown}: {_waits_for(requested, mode)}")
            return 0 if until is Until.REQUESTED else PROBLEM
        return _wait(server, requested.trigger_id, shown)


def _require_mapped(mapping: SyncMapping, file: Path, workspace: str, sync_id: int) -> None:
    try:
        find_mapped(mapping, file, workspace, sync_id)
    except NotMapped as exc:
        raise NotMapped(f"{exc}\n--unmapped triggers it anyway.") from exc


def _waits_for(requested: Requested, mode: Mode) -> str:
    if requested.worker.is_well:
        then = "trigger it" if requested.hold is None else "trigger it then"
        does = "record it and send nothing: RELAY_DRY_RUN is set" if mode is Mode.DRY_RUN else then
        return f"a worker will {does}, see `relay status`"
    return (
        f"no worker runs ({requested.worker.detail}), so it waits in the database until `relay up` "
        "or `relay worker` starts one"
    )


def _wait(server: Server, trigger_id: int, shown: str) -> int:
    """Wait until the sync run has ended, print the outcome, and return the exit status."""
    last = None
    try:
        with progress(f"{shown}: waiting for a worker") as line:
            for last in follow(server, trigger_id):
                if last.sync_run_id is not None:
                    line.update(f"{shown}: sync run {last.sync_run_id} {last.status or 'started'}")
    except KeyboardInterrupt:
        click.echo(f"{shown}: no longer waiting; the trigger stays, see `relay status`", err=True)
        return PROBLEM
    if last is None or last.outcome is None:
        click.echo(f"{shown}: its trigger is no longer in the database", err=True)
        return PROBLEM
    click.echo(f"{shown}: {_end_of(last)}")
    return 0 if last.outcome in _COLOURS else PROBLEM


def _end_of(last: TriggerProgress) -> str:
    outcome = Outcome(last.outcome or "")
    if outcome is Outcome.DRY_RUN:
        return f"{outcome}: nothing was sent, because of RELAY_DRY_RUN"
    word = coloured(outcome, _COLOURS.get(outcome, "red"))
    run = f"sync run {last.sync_run_id} {word}" if last.sync_run_id else word
    counts = {
        "processed": last.records_processed,
        "failed": last.records_failed,
        "invalid": last.records_invalid,
    }
    shown = ", ".join(f"{count} {name}" for name, count in counts.items() if count is not None)
    records = f", records: {shown}" if shown else ""
    return f"{run}{records}" + (f": {last.problem}" if last.problem else "")
