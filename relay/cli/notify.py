"""`relay notify`: try a channel."""

import sys

import click

from relay.cli.options import as_json


@click.command()
@click.argument("channel")
@click.option("--test", "is_test", is_flag=True, help="Send a test message now.")
@as_json
def notify(channel: str, *, is_test: bool, wants_json: bool) -> None:
    """Send a test message to CHANNEL, a name in the mapping file's `notify`.

    It is sent once, and not by a worker. The exit status is 1 if the channel does not take it. In
    PagerDuty it opens an incident, and resolves it at once.
    """
    from relay.commands import notify as command

    if not is_test:
        raise click.UsageError("say what to send: --test")
    sys.exit(command.run(channel, wants_json=wants_json))
