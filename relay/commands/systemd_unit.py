"""`relay systemd-unit`: the unit file for `relay up`."""

from pathlib import Path

import click

from relay.operations.systemd_unit import Installation, write_unit
from relay.terminal import exit_on_error


def run(user: str, env_file: Path, mapping: Path) -> None:
    """Print it, or why this installation cannot run as a service."""
    with exit_on_error():
        unit = write_unit(
            Installation.running(),
            user=user,
            env_file=env_file.absolute(),
            mapping=mapping.absolute(),
        )
    click.echo(unit, nl=False)
