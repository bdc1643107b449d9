"""`relay trigger`: have a sync triggered without a dbt run, and see what comes of it."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from relay.decision.mapping import SyncMapping
from relay.operations.readiness import Check, check_worker
from relay.operations.sync_lookup import require_workspace
from relay.postgres.connections import single_connection
from relay.postgres.server import Server
from relay.store import Store, TriggerProgress

POLLED_EVERY = 0.5  # seconds


class Records(Enum):
    """Which records of the sync's source are sent."""

    AS_MAPPED = "mapped"  # as the mapping file says
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Requested:
    """A trigger that waits for a worker, and whether there is one."""

    trigger_id: int
    worker: Check


def trigger(
    server: Server,
    mapping: SyncMapping,
    workspace: str,
    sync_id: int,
    records: Records,
    *,
    now: datetime,
) -> Requested:
    """Put a trigger of a sync, mapped or not, where workers find it.

    Raises BadSettings for a workspace that the mapping does not know, DatabaseUnavailable.
    """
    require_workspace(mapping, workspace)
    mapped = mapping.sync(workspace, sync_id)
    full_sync = records is Records.ALL or (mapped is not None and mapped.full_sync)
    with single_connection(server) as connections:
        store = Store(connections)
        trigger_id = store.triggers.add_manual(workspace, sync_id, full_sync=full_sync, now=now)
        return Requested(trigger_id, check_worker(*store.status.last_heartbeat()))


def follow(server: Server, trigger_id: int) -> Iterator[TriggerProgress]:
    """How far a trigger is, twice a second, until the sync run that answers it has ended.

    Raises DatabaseUnavailable.
    """
    with single_connection(server) as connections:
        triggers = Store(connections).triggers
        while (progress := triggers.progress(trigger_id)) is not None:
            yield progress
            if progress.outcome is not None:
                return
            time.sleep(POLLED_EVERY)
