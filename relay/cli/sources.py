"""`relay sources`: the warehouses that Census reads."""

import sys

import click

from relay.cli.options import AN_ID, as_json
from relay.cli.syncs import of_workspace, of_workspaces


@click.group()
def sources() -> None:
    """Look at the warehouses that Census reads."""


@sources.command(name="list")
@of_workspaces
@as_json
def list_(workspaces: tuple[str, ...], *, wants_json: bool) -> None:
    """List the warehouses that Census reads."""
    from relay.commands import sources as command

    sys.exit(command.list_all(workspaces, wants_json=wants_json))


@sources.command()
@click.argument("source_id", type=AN_ID)
@of_workspace
@click.option(
    "--most",
    default=50,
    show_default=True,
    type=click.IntRange(min=0),
    help="How many objects to show.",
)
@as_json
def show(source_id: int, workspace: str, most: int, *, wants_json: bool) -> None:
    """Show a warehouse that Census reads, and its tables, models and segments."""
    from relay.commands import sources as command

    sys.exit(command.show(workspace, source_id, most=most, wants_json=wants_json))
