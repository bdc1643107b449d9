"""`relay trigger`: have a sync triggered without a dbt run."""

from datetime import datetime
from enum import Enum

from relay.decision.mapping import SyncMapping
from relay.errors import BadSettings, Problem
from relay.postgres.connections import asking
from relay.postgres.server import Server
from relay.store import Store
from relay.workspaces import DEFAULT_WORKSPACE


class Records(Enum):
    """Which records of the sync's source are sent."""

    AS_MAPPED = "mapped"  # as the mapping file says
    ALL = "all"


def trigger(
    server: Server,
    mapping: SyncMapping,
    workspace: str,
    sync_id: int,
    records: Records,
    *,
    now: datetime,
) -> None:
    """Put a trigger of a sync, mapped or not, where workers find it.

    Raises BadSettings for a workspace that the mapping does not know, DatabaseUnavailable.
    """
    if workspace != DEFAULT_WORKSPACE and workspace not in mapping.workspaces:
        known = ", ".join([DEFAULT_WORKSPACE, *mapping.workspaces])
        raise BadSettings((Problem("--workspace", f"{workspace!r} is not one of {known}"),))
    mapped = mapping.sync(workspace, sync_id)
    full_sync = records is Records.ALL or (mapped is not None and mapped.full_sync)
    with asking(server) as connections:
        triggers = Store(connections).triggers
        triggers.add_manual(workspace, sync_id, full_sync=full_sync, now=now)
