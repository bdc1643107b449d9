"""`relay trigger`: have a sync triggered without a dbt run."""

import click

from relay.clock import utc_now
from relay.commands.session import on_database
from relay.mapping_file import load
from relay.operations.trigger import Records, trigger
from relay.settings import Settings


def run(sync_id: int, workspace: str, records: Records) -> None:
    """Put a trigger of the sync where workers find it."""
    with on_database(Settings) as (settings, server):
        trigger(
            server,
            load(settings.mapping, settings.census_hosts),
            workspace,
            sync_id,
            records,
            now=utc_now(),
        )
    click.echo(f"sync {sync_id}: a worker will trigger it, see `relay status`")
