"""`relay sources`: the warehouses that Census reads. No connection details are read or shown."""

from collections.abc import Iterator, Sequence
from datetime import UTC

import click

from relay.census.objects import Source
from relay.commands.census import on_census, on_workspace
from relay.commands.progress import progress
from relay.commands.session import print_json
from relay.commands.tables import Coloured, table, terminal_width, without_empty_columns
from relay.operations.census_objects import ShownSource, show_source
from relay.operations.census_workspaces import asking
from relay.workspaces import DEFAULT_WORKSPACE

_HEADING = ("workspace", "source", "name", "type", "last test")


def list_all(workspaces: Sequence[str], *, wants_json: bool) -> int:
    """Print the sources of these workspaces, of all if none is named; return the exit status."""
    found: list[tuple[str, Source]] = []
    with on_census(workspaces) as (_, _, clients), progress("Reading the sources of Census"):
        for workspace, census in clients.items():
            with asking(workspace):
                found += [(workspace, source) for source in census.sources()]
    if wants_json:
        print_json([{"workspace": workspace, "source": source} for workspace, source in found])
    else:
        for text in _table(found):
            click.echo(text)
    return 0


def show(workspace: str, source_id: int, *, most: int, wants_json: bool) -> int:
    """Print a source and what it holds, and return the exit status."""
    with on_workspace(workspace, f"Reading source {source_id} of Census") as census:
        shown = show_source(census, source_id, most=most)
    if wants_json:
        print_json(shown)
    else:
        for text in _describe(workspace, shown):
            click.echo(text)
    return 0


def _table(found: Sequence[tuple[str, Source]]) -> Iterator[str]:
    rows = [
        (
            None if workspace == DEFAULT_WORKSPACE else workspace,
            source.source_id,
            source.label or source.name,
            source.type,
            last_test(source.last_test_succeeded),
        )
        for workspace, source in found
    ]
    return table(*without_empty_columns(_HEADING, rows), width=terminal_width())


def _describe(workspace: str, shown: ShownSource) -> Iterator[str]:
    source = shown.source
    yield from _table([(workspace, source)])
    if source.last_tested_at is not None:
        yield f"  tested {source.last_tested_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    rows = [(each.type, each.object_id, each.name) for each in shown.objects]
    if rows:
        yield ""
        yield from table(("object", "id", "name"), rows, width=terminal_width())
    if shown.has_more:
        yield "  and more: --most shows them"


def last_test(succeeded: bool | None) -> str | Coloured | None:  # noqa: FBT001 - it is shown
    """Whether the last test of a connection succeeded; None before the first."""
    if succeeded is None:
        return None
    return Coloured("passed", "green") if succeeded else Coloured("failed", "red")
