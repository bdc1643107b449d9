"""`relay trigger`: trigger a sync without a dbt run, and follow its progress."""

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
from relay.store import Hold, Mode, Store, TriggerProgress

POLL_SECONDS = 0.5


class Records(Enum):
    """Which records of the sync's source to sync."""

    AS_MAPPED = "mapped"  # as the mapping file says
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Requested:
    """A queued trigger, whether a worker runs, and the hold that it waits for or None."""

    trigger_id: int
    worker: Check
    hold: Hold | None


def trigger(
    server: Server,
    mapping: SyncMapping,
    workspace: str,
    sync_id: int,
    records: Records,
    *,
    now: datetime,
    mode: Mode = Mode.LIVE,
) -> Requested:
    """Queue a manual trigger of a sync, mapped or not.

    Raises BadSettings for a workspace that is not in the mapping, DatabaseUnavailable.
    """
    require_workspace(mapping, workspace)
    mapped = mapping.sync(workspace, sync_id)
    full_sync = records is Records.ALL or (mapped is not None and mapped.full_sync)
    with single_connection(server) as connections:
        store = Store(connections)
        trigger_id = store.triggers.add_manual(
            workspace, sync_id, full_sync=full_sync, now=now, mode=mode
        )
        hold = store.holds.open_on(workspace, sync_id, now=now)
        return Requested(trigger_id, check_worker(*store.status.last_heartbeat()), hold)


def follow(server: Server, trigger_id: int) -> Iterator[TriggerProgress]:
    """Yield a trigger's progress twice a second, until its sync run has ended.

    Raises DatabaseUnavailable.
    """
    with single_connection(server) as connections:
        triggers = Store(connections).triggers
        while (progress := triggers.progress(trigger_id)) is not None:
            yield progress
            if progress.outcome is not None:
                return
            time.sleep(POLL_SECONDS)
