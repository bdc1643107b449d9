"""`relay freshness`: how far each tool is behind its models, and why."""

from collections.abc import Iterator, Sequence
from datetime import datetime

import click

from relay.commands.session import on_database, print_json
from relay.commands.status_form import short_time
from relay.commands.tables import Coloured, table, terminal_width, without_empty_columns
from relay.mapping_file import load
from relay.notation import rounded_duration, write_duration
from relay.operations.freshness import FreshnessRow, read_freshness, rebuild
from relay.postgres.connections import single_connection
from relay.settings import Settings
from relay.store import Store
from relay.store.sync_states import Correction
from relay.workspaces import display_id

_HEADING = ("sync", "name", "owner", "state", "behind for", "because", "dbt run", "last lag")
_MORE = ("last completed", "failures in a row")
_COLOURS = {"stale": "red", "behind": "yellow", "fresh": "green"}


def run(*, wants_json: bool) -> int:
    """Print the freshness of every mapped sync; the exit status is 1 if one is stale."""
    with on_database(Settings) as (settings, server):
        mapping = load(settings.mapping, settings.census_hosts)
        with single_connection(server) as connections:
            rows = read_freshness(Store(connections), mapping)
    if wants_json:
        print_json(rows)
    else:
        click.echo("\n".join(_described(rows, width=terminal_width())))
    return int(any(row.state == "stale" for row in rows))


def run_rebuild(*, wants_json: bool) -> int:
    """Derive the stored freshness anew, and print what was different: exit status 1 if anything."""
    with on_database(Settings) as (_settings, server), single_connection(server) as connections:
        corrected = rebuild(Store(connections))
    if wants_json:
        print_json([{"before": before, "after": after} for before, after in corrected])
    else:
        click.echo("\n".join(_corrections(corrected)))
    return int(bool(corrected))


def _described(rows: Sequence[FreshnessRow], *, width: int | None) -> Iterator[str]:
    cells = [_cells(row) for row in rows]
    yield from table(*without_empty_columns((*_HEADING, *_MORE), cells), width=width)
    stale = sum(row.state == "stale" for row in rows)
    behind = sum(row.state == "behind" for row in rows)
    yield ""
    yield f"{len(rows)} syncs: {stale} stale, {behind} behind."


def _cells(row: FreshnessRow) -> list[object]:
    return [
        display_id(row.workspace, row.sync_id),
        row.name,
        row.owner,
        Coloured(row.state, _COLOURS[row.state]) if row.state in _COLOURS else row.state,
        _behind(row),
        row.because,
        row.dbt_run_id,
        None if row.lag is None else rounded_duration(row.lag),
        None if row.last_completed_at is None else short_time(row.last_completed_at),
        row.failures or None,
    ]


def _behind(row: FreshnessRow) -> str | None:
    if row.behind_seconds is None:
        return None
    limit = f", limit {write_duration(row.fresh_within)}" if row.fresh_within else ""
    return f"{rounded_duration(row.behind_seconds)}{limit}"


def _corrections(corrected: Sequence[Correction]) -> Iterator[str]:
    if not corrected:
        yield "The stored freshness of every sync is as its decisions and sync runs say."
    for before, after in corrected:
        was = _since(None if before is None else before.behind_since)
        yield f"sync {display_id(*after.key)}: {was}; corrected: {_since(after.behind_since)}"


def _since(behind_since: datetime | None) -> str:
    return f"behind since {short_time(behind_since)}" if behind_since else "not behind"
