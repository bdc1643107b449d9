"""`relay destinations`: the business tools that Census writes to, without connection details."""

from collections.abc import Iterator, Sequence

import click

from relay.census.objects import Destination, DestinationObject
from relay.commands.census import on_census, on_workspace
from relay.commands.progress import progress
from relay.commands.session import print_json
from relay.commands.sources import last_test
from relay.commands.tables import table, terminal_width, without_empty_columns
from relay.operations.census_objects import ShownDestination, show_destination
from relay.operations.census_workspaces import asking
from relay.workspaces import DEFAULT_WORKSPACE

_HEADING = ("workspace", "destination", "name", "type", "last test")


def list_all(workspaces: Sequence[str], *, wants_json: bool) -> int:
    """Print the destinations of these workspaces, of all if none is named; return the status."""
    found: list[tuple[str, Destination]] = []
    doing = progress("Reading the destinations of Census")
    with on_census(workspaces) as (_, _, clients), doing:
        for workspace, census in clients.items():
            with asking(workspace):
                found += [(workspace, each) for each in census.destinations()]
    if wants_json:
        print_json([{"workspace": name, "destination": each} for name, each in found])
    else:
        for text in _table(found):
            click.echo(text)
    return 0


def show(
    workspace: str, destination_id: str, full_name: str | None, *, most: int, wants_json: bool
) -> int:
    """Print a destination and its objects, or the fields of one; return the exit status."""
    shown: ShownDestination | DestinationObject
    with on_workspace(workspace, "Reading a destination of Census") as census:
        if full_name is None:
            shown = show_destination(census, destination_id, most=most)
        else:
            shown = census.destination_object(destination_id, full_name)
    if wants_json:
        print_json(shown)
    else:
        for text in _describe(workspace, shown):
            click.echo(text)
    return 0


def _table(found: Sequence[tuple[str, Destination]]) -> Iterator[str]:
    rows = [
        (
            None if workspace == DEFAULT_WORKSPACE else workspace,
            each.destination_id,
            each.name,
            each.type,
            last_test(each.last_test_succeeded),
        )
        for workspace, each in found
    ]
    return table(*without_empty_columns(_HEADING, rows), width=terminal_width())


def _describe(workspace: str, shown: ShownDestination | DestinationObject) -> Iterator[str]:
    if isinstance(shown, DestinationObject):
        yield from _fields(shown)
        return
    yield from _table([(workspace, shown.destination)])
    rows = [
        (each.full_name, each.label, ", ".join(each.operations) or None) for each in shown.objects
    ]
    if rows:
        yield ""
        heading = ("object", "label", "operations")
        yield from table(*without_empty_columns(heading, rows), width=terminal_width())
    if shown.has_more:
        yield "  and more: --most shows them"


def _fields(shown: DestinationObject) -> Iterator[str]:
    yield f"{shown.full_name}" + (f" ({shown.label})" if shown.label else "")
    rows = [
        (
            field.full_name,
            field.label,
            field.type,
            "yes" if field.is_required else None,
            "yes" if field.can_be_key else None,
        )
        for field in shown.fields
    ]
    heading = ("field", "label", "type", "required", "may identify")
    yield from table(*without_empty_columns(heading, rows), width=terminal_width())
