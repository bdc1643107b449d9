"""`relay up`, `relay worker` and `relay migrate`: the long-lived processes, and their schema."""

import sys

import click

from relay.commands.session import started
from relay.mapping_file import load
from relay.postgres.migrate import migrate
from relay.postgres.server import joined, server_of
from relay.settings import ServiceSettings, Settings, WorkerSettings
from relay.terminal import ended_by_signals


def run_up() -> None:
    """Run database, web and worker until a signal."""
    from relay import up  # noqa: PLC0415 - each process loads what it needs

    with ended_by_signals(), started(ServiceSettings, logs_to=sys.stdout) as settings:
        load(settings.mapping, settings.census_hosts)
        up.run(server_of(settings))


def run_worker() -> None:
    """Run one worker until a signal."""
    from relay.worker import process  # noqa: PLC0415

    with (
        ended_by_signals(),
        started(WorkerSettings, logs_to=sys.stdout) as settings,
        joined(server_of(settings)) as server,
    ):
        process.run(settings, server)


def run_migrate() -> None:
    """Bring the database's schema up to date and print what was applied."""
    with started(Settings, logs_to=sys.stderr) as settings, joined(server_of(settings)) as server:
        applied = migrate(server)
    click.echo(f"applied: {', '.join(applied)}" if applied else "up to date")
