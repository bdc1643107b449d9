"""`relay completion`: click's completion script for a shell."""

import click
from click.shell_completion import get_completion_class

PROGRAM, VARIABLE = "relay", "_RELAY_COMPLETE"


def run(cli: click.Command, shell: str) -> None:
    """Print the script, with which the shell calls `relay` to complete a word."""
    completion = get_completion_class(shell)
    assert completion is not None
    click.echo(completion(cli, {}, PROGRAM, VARIABLE).source())
