"""`relay mute` and `relay unmute`: in the database, where every worker looks."""

from datetime import datetime

from relay.postgres.connections import single_connection
from relay.postgres.server import Server
from relay.store import Mute, Store
from relay.workspaces import SyncKey


def mute(
    server: Server, sync: SyncKey, *, until: datetime, why: str | None, by: str, now: datetime
) -> Mute:
    """Mute a sync. Raises DatabaseUnavailable."""
    with single_connection(server) as connections:
        return Store(connections).mutes.mute(sync, until=until, why=why, by=by, now=now)


def unmute(server: Server, sync: SyncKey, *, now: datetime) -> Mute | None:
    """End the mute of a sync; None if it was not muted. Raises DatabaseUnavailable."""
    with single_connection(server) as connections:
        return Store(connections).mutes.unmute(sync, now=now)
