"""`relay status`: whether relay is ready, what needs attention, and what is running."""

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import click

from relay.commands.session import on_database, print_json
from relay.commands.status_form import describe
from relay.commands.tables import terminal_width
from relay.errors import DatabaseUnavailable
from relay.operations.status import StatusReader
from relay.settings import StatusSettings

REDRAW_SECONDS = 2.0
CLEAR, HOME, ERASE_LINE, ERASE_BELOW = "\x1b[2J", "\x1b[H", "\x1b[K", "\x1b[J"
CUT_LONG_LINES, WRAP_LONG_LINES = "\x1b[?7l", "\x1b[?7h"


def run(newest: int, *, wants_json: bool) -> None:
    """Print the status, with the `newest` rows of each kind."""
    with on_database(StatusSettings) as (settings, server):
        report = StatusReader(server, settings).read(newest=newest)
    if wants_json:
        print_json(report)
    else:
        click.echo("\n".join(describe(report, width=terminal_width())))


def watch(newest: int) -> None:
    """Redraw the status every two seconds, until Ctrl-C."""
    if not sys.stdout.isatty():
        raise click.UsageError("--watch needs a terminal; without it the status is printed once")
    with on_database(StatusSettings) as (settings, server), _drawing():
        reader = StatusReader(server, settings)
        while True:
            _draw(_lines(reader, newest))
            time.sleep(REDRAW_SECONDS)


@contextmanager
def _drawing() -> Iterator[None]:
    """Clear the terminal, and turn line wrapping off, until Ctrl-C."""
    click.echo(CLEAR + CUT_LONG_LINES, nl=False)
    try:
        with suppress(KeyboardInterrupt):
            yield
    finally:
        click.echo(WRAP_LONG_LINES)


def _lines(reader: StatusReader, newest: int) -> Iterator[str]:
    """The status, or the database's error, which may be temporary."""
    try:
        yield from describe(reader.read(newest=newest), width=terminal_width())
    except DatabaseUnavailable as exc:
        yield f"The database: {exc}"


def _draw(lines: Iterator[str]) -> None:
    """Overwrite the screen, which flickers less than clearing it, with the lines that fit."""
    fitting = list(lines)[: shutil.get_terminal_size().lines - 1]
    drawn = "".join(f"{line}{ERASE_LINE}\n" for line in fitting)
    click.echo(f"{HOME}{drawn}{ERASE_BELOW}", nl=False)
