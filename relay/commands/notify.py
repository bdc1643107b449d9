"""`relay notify`: try a channel."""

import click

from relay.clock import utc_now
from relay.commands.progress import progress
from relay.commands.session import answering, print_json
from relay.mapping_file import load
from relay.notation import printable
from relay.operations.notify import Tried, send_test
from relay.settings import MessageSettings
from relay.terminal import PROBLEM


def run(channel: str, *, wants_json: bool) -> int:
    """Send a test message, print what became of it, and return the exit status."""
    with answering(MessageSettings) as settings:
        mapping = load(settings.mapping, settings.census_hosts)
        with progress("Sending a test message"):
            tried = send_test(settings, mapping, channel, now=utc_now())
    if wants_json:
        print_json(tried)
    else:
        click.echo(_text(tried), err=not tried.sent)
    return 0 if tried.sent else PROBLEM


def _text(tried: Tried) -> str:
    shown = f"{printable(tried.channel)} ({tried.kind})"
    if not tried.sent:
        return f"{shown}: not sent: {tried.problem}"
    answer = f": {tried.answer}" if tried.answer else ""
    return f'{shown}: sent "{tried.title}"; HTTP {tried.http_status}{answer}'
