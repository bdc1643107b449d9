"""`relay up`, `relay worker` and `relay migrate`."""

import socket
import sys

import click

from relay.commands.session import answering, started
from relay.errors import BadSettings, Problem
from relay.mapping_file import load
from relay.postgres.migrate import migrate
from relay.postgres.server import joined, server_of
from relay.settings import ServiceSettings, Settings, WorkerSettings
from relay.terminal import ended_by_signals


def run_up() -> None:
    """Run database, web and worker until a signal."""
    from relay import up  # noqa: PLC0415 - each process imports only what it needs

    with ended_by_signals(), started(ServiceSettings, logs_to=sys.stdout) as settings:
        load(settings.mapping, settings.census_hosts)
        _require_free_port(settings.port)
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
    with answering(Settings) as settings, joined(server_of(settings)) as server:
        applied = migrate(server)
    click.echo(f"applied: {', '.join(applied)}" if applied else "up to date")


def _require_free_port(port: int) -> None:
    """Raise BadSettings if web cannot listen, which would restart it again and again."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as gunicorn does
        try:
            sock.bind(("0.0.0.0", port))  # noqa: S104 - web's own address
        except OSError as exc:
            what = f"web cannot listen on port {port}: {exc.strerror}; set another"
            raise BadSettings((Problem("PORT", what),)) from None
