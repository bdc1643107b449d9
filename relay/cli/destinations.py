"""`relay destinations`: the business tools that Census writes to."""

import sys

import click

from relay.cli.options import as_json
from relay.cli.syncs import of_workspace, of_workspaces


@click.group()
def destinations() -> None:
    """Look at the business tools that Census writes to."""


@destinations.command(name="list")
@of_workspaces
@as_json
def list_(workspaces: tuple[str, ...], *, wants_json: bool) -> None:
    """List the business tools that Census writes to."""
    from relay.commands import destinations as command

    sys.exit(command.list_all(workspaces, wants_json=wants_json))


@destinations.command()
@click.argument("destination_id")
@of_workspace
@click.option("--object", "full_name", help="Show the fields of this object instead.")
@click.option(
    "--most",
    default=50,
    show_default=True,
    type=click.IntRange(min=0),
    help="How many objects to show.",
)
@as_json
def show(
    destination_id: str, workspace: str, full_name: str | None, most: int, *, wants_json: bool
) -> None:
    """Show a business tool that Census writes to, and its objects.

    With v2 of the API its id is a text, that of the activation.
    """
    from relay.commands import destinations as command

    sys.exit(command.show(workspace, destination_id, full_name, most=most, wants_json=wants_json))
