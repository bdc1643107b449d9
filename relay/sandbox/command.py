"""`relay sandbox`: serve the simulators, to try relay without an account."""

import shlex
import signal
import threading

import click

from relay.sandbox import story
from relay.sandbox.channels import MAPPING
from relay.sandbox.server import open_sandbox
from relay.terminal import exit_on_error


def serve(*, dbt_port: int, census_port: int, channels_port: int) -> None:
    """Serve them until SIGINT or SIGTERM, and print the settings for relay."""
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    sandbox = open_sandbox(
        dbt_cloud_port=dbt_port, census_port=census_port, channels_port=channels_port
    )
    with exit_on_error(), sandbox:
        settings = environment(sandbox.dbt_cloud.url, sandbox.census.url)
        for name, value in (settings | sandbox.channels.environment).items():
            click.echo(f"export {name}={shlex.quote(value)}")
        click.echo("# Channels for the mapping file:")
        for line in MAPPING.splitlines():
            click.echo(f"#   {line}")
        click.echo(f"# Messages received so far: curl {sandbox.channels.url}/sandbox/messages")
        click.echo(f"# Requests received so far: curl {sandbox.dbt_cloud.url}/sandbox/state")
        stopping.wait()


def environment(dbt_cloud_url: str, census_url: str) -> dict[str, str]:
    """The settings with which relay uses the simulators."""
    return {
        "DBT_CLOUD_WEBHOOK_SECRETS": story.WEBHOOK_SECRET,
        "DBT_CLOUD_URL": dbt_cloud_url,
        "DBT_CLOUD_TOKEN": story.DBT_TOKEN,
        "DBT_CLOUD_ACCOUNT_ID": str(story.DBT_ACCOUNT_ID),
        "CENSUS_API_KEY": story.CENSUS_API_KEY,
        "CENSUS_URL": census_url,
    }
