"""`relay config`: the settings in effect, secrets masked."""

import click

from relay.commands.session import print_json
from relay.settings import describe
from relay.terminal import exit_on_error


def run(*, wants_json: bool) -> None:
    """Print every variable with its effective value."""
    with exit_on_error():
        described = describe()
    if wants_json:
        print_json(described)
        return
    for name, value in described.items():
        click.echo(f"{name}={','.join(value) if isinstance(value, list) else value or ''}")
