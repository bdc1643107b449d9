"""`relay send`: sign an event, deliver it, and print the response."""

from typing import BinaryIO

import click

from relay.operations.send import deliver
from relay.settings import WebhookSettings
from relay.terminal import PROBLEM, exit_on_error, settings_or_exit


def run(file: BinaryIO, url: str) -> int:
    """Deliver the file's event to `url` and return the exit status."""
    settings = settings_or_exit(WebhookSettings)
    with exit_on_error():
        answer = deliver(file.read(), url, settings.webhook_secrets[0])
    click.echo(f"HTTP {answer.http_status} {answer.body}")
    return 0 if answer.accepted else PROBLEM
