"""What every command begins and ends with: settings, logging, the database, JSON."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO, TypeVar

import click
import msgspec

from relay import logs
from relay.postgres.migrate import require_schema
from relay.postgres.server import Server, joined, server_of
from relay.settings import Settings
from relay.terminal import exit_on_error, settings_or_exit

AnySettings = TypeVar("AnySettings", bound=Settings)


@contextmanager
def started(needed: type[AnySettings], *, logs_to: TextIO) -> Iterator[AnySettings]:
    """The settings, with logging set up; relay's own errors end the command in words."""
    settings = settings_or_exit(needed)
    logs.configure(settings, to=logs_to)
    with exit_on_error():
        yield settings


@contextmanager
def on_database(needed: type[AnySettings]) -> Iterator[tuple[AnySettings, Server]]:
    """The settings, and the server with its schema: for what a command asks."""
    # stdout is for what the command itself prints.
    with started(needed, logs_to=sys.stderr) as settings, joined(server_of(settings)) as server:
        require_schema(server)
        yield settings, server


def print_json(value: object) -> None:
    """A value as JSON, for a pipe."""
    click.echo(msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2))
