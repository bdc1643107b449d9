"""Common to all commands: settings, logging, the database, JSON output."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TextIO, TypeVar

import click
import msgspec

from relay import logs
from relay.commands.progress import progress
from relay.postgres.migrate import find_schema
from relay.postgres.server import Server, has_database, joined, no_database, server_of
from relay.settings import Settings
from relay.terminal import exit_on_error, settings_or_exit

AnySettings = TypeVar("AnySettings", bound=Settings)


@contextmanager
def started(needed: type[AnySettings], *, logs_to: TextIO) -> Iterator[AnySettings]:
    """The settings, with logging configured; relay's own errors end the command with a message."""
    settings = settings_or_exit(needed)
    logs.configure(settings, to=logs_to)
    with exit_on_error():
        yield settings


@contextmanager
def on_database(needed: type[AnySettings]) -> Iterator[tuple[AnySettings, Server]]:
    """The settings and the server, for a command that reads or writes the database.

    If there is no database, none is created, and the command ends with an error.
    """
    with answering(needed) as settings, ExitStack() as stack:
        server = _find_server(settings, stack)
        if server is None:
            raise no_database(settings)
        yield stack.enter_context(without_a_new_data_folder(settings)), server


@contextmanager
def with_or_without_database(
    needed: type[AnySettings],
) -> Iterator[tuple[AnySettings, Server | None]]:
    """The same, but without a database the server is None, and stderr says so."""
    with answering(needed) as settings, ExitStack() as stack:
        server = _find_server(settings, stack)
        if server is None:
            place = no_database(settings).place
            click.echo(f"No relay database {place}: evaluated without history.", err=True)
        yield stack.enter_context(without_a_new_data_folder(settings)), server


@contextmanager
def database_if_any(settings: Settings) -> Iterator[Server | None]:
    """The server, for what a command shows of the database beside other things; None without."""
    with ExitStack() as stack:
        yield _find_server(settings, stack)


@contextmanager
def answering(needed: type[AnySettings]) -> Iterator[AnySettings]:
    """The settings; only warnings are logged, to stderr, so that stdout has only the output."""
    settings = settings_or_exit(needed)
    is_quiet = settings.log_level == "info"
    logs.configure(replace(settings, log_level="warning") if is_quiet else settings, to=sys.stderr)
    with exit_on_error():
        yield settings


def _find_server(settings: Settings, stack: ExitStack) -> Server | None:
    """The server with relay's schema, joined until the stack closes; None if there is none."""
    server = server_of(settings)
    if not has_database(settings):
        return None
    with progress("Starting relay's own PostgreSQL"):
        stack.enter_context(joined(server))
    return server if find_schema(server) else None


@contextmanager
def without_a_new_data_folder(settings: AnySettings) -> Iterator[AnySettings]:
    """The settings, with a temporary folder if RELAY_DATA_DIR is not writable."""
    if os.access(settings.data_dir, os.W_OK | os.X_OK):
        yield settings
        return
    with tempfile.TemporaryDirectory(prefix="relay-") as folder:
        environment = {**settings.environment, "RELAY_DATA_DIR": folder}
        yield replace(settings, data_dir=Path(folder), environment=environment)


def print_json(value: object) -> None:
    """Print a value as JSON."""
    click.echo(msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2))
