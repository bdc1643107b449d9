"""`relay trigger`: trigger a sync without a dbt run, and follow its progress."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from relay.decision.mapping import SyncMapping
from relay.operations.readiness import Check, check_worker
from relay.operations.recorded import by_command, describe_until, of_sync
from relay.operations.sync_lookup import require_workspace
from relay.postgres.connections import single_connection, single_transaction
from relay.postgres.server import Server
from relay.store import ActionKind, ActionResult, Hold, Mode, Store, TriggerProgress
from relay.workspaces import SyncKey, display_id

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
    by: str,
    now: datetime,
    mode: Mode = Mode.LIVE,
) -> Requested:
    """Queue a manual trigger of a sync, mapped or not.

    Raises BadSettings for a workspace that is not in the mapping, DatabaseUnavailable.
    """
    require_workspace(mapping, workspace)
    sync = (workspace, sync_id)
    with single_transaction(server) as connections:
        store = Store(connections)
        requested = trigger_in(store, mapping, sync, records, now=now, mode=mode)
        action = by_command(kind_of(records), f"sync {display_id(*sync)}", by=by, now=now)
        store.actions.record(action, result_of_trigger(sync, requested, mode))
    return requested


def trigger_in(
    store: Store,
    mapping: SyncMapping,
    sync: SyncKey,
    records: Records,
    *,
    now: datetime,
    mode: Mode,
) -> Requested:
    """The same, over the connection of a store; the caller has looked the sync up."""
    mapped = mapping.sync(*sync)
    full_sync = records is Records.ALL or (mapped is not None and mapped.full_sync)
    trigger_id = store.triggers.add_manual(*sync, full_sync=full_sync, now=now, mode=mode)
    hold = store.holds.open_on(*sync, now=now)
    return Requested(trigger_id, check_worker(*store.status.last_heartbeat()), hold)


def kind_of(records: Records) -> ActionKind:
    """What a trigger of these records is recorded as."""
    return ActionKind.FULL_SYNC if records is Records.ALL else ActionKind.TRIGGER


def result_of_trigger(sync: SyncKey, requested: Requested, mode: Mode) -> ActionResult:
    """The result as it is recorded."""
    notes = []
    if mode is Mode.DRY_RUN:
        notes.append("nothing is sent to Census, because RELAY_DRY_RUN is set")
    if requested.hold is not None:
        notes.append(f"it is held {describe_until(requested.hold.until)}: the trigger waits")
    if not requested.worker.is_well:
        notes.append(f"no worker runs ({requested.worker.detail}): the trigger waits for one")
    return ActionResult(done=(of_sync(*sync, "queued for a worker"),), notes=tuple(notes))


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
