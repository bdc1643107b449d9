"""What every command begins and ends with: settings, logging, the database, JSON."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click
import msgspec

from relay import logs
from relay.postgres.migrate import migrate
from relay.postgres.server import Server, joined, server_of
from relay.settings import Role, Settings
from relay.terminal import exit_on_error, settings_or_exit


@contextmanager
def started(role: Role) -> Iterator[Settings]:
    """The settings, with logging set up; relay's own errors end the command in words."""
    settings = settings_or_exit(role)
    # A command's own words have stdout for themselves.
    logs.configure(settings, to=sys.stderr if role is Role.COMMAND else sys.stdout)
    with exit_on_error():
        yield settings


@contextmanager
def on_database() -> Iterator[tuple[Settings, Server]]:
    """The settings, and the server with its schema up to date: for what a command asks."""
    with started(Role.COMMAND) as settings, joined(server_of(settings)) as server:
        migrate(server)
        yield settings, server


def print_json(value: object) -> None:
    """A value as JSON, for a pipe."""
    click.echo(msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2))
