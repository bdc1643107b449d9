"""`relay mute` and `relay unmute`: in the database, where every worker looks."""

from datetime import datetime

from relay.operations.recorded import by_command, describe_until, of_sync
from relay.postgres.connections import single_transaction
from relay.postgres.server import Server
from relay.store import ActionKind, ActionResult, Mute, Store
from relay.workspaces import SyncKey, display_id


def mute(
    server: Server, sync: SyncKey, *, until: datetime, why: str | None, by: str, now: datetime
) -> Mute:
    """Mute a sync. Raises DatabaseUnavailable."""
    with single_transaction(server) as connections:
        store = Store(connections)
        muted = store.mutes.mute(sync, until=until, why=why, by=by, now=now)
        action = by_command(ActionKind.MUTE, f"sync {display_id(*sync)}", by=by, now=now)
        store.actions.record(action, result_of_mute(muted))
    return muted


def unmute(server: Server, sync: SyncKey, *, by: str, now: datetime) -> Mute | None:
    """End the mute of a sync; None if it was not muted. Raises DatabaseUnavailable."""
    with single_transaction(server) as connections:
        store = Store(connections)
        unmuted = store.mutes.unmute(sync, now=now)
        if unmuted is not None:
            action = by_command(ActionKind.UNMUTE, f"sync {display_id(*sync)}", by=by, now=now)
            store.actions.record(action, result_of_unmute(sync, unmuted))
    return unmuted


def result_of_mute(muted: Mute) -> ActionResult:
    """The result as it is recorded."""
    why = f": {muted.why}" if muted.why else ""
    return ActionResult(done=(of_sync(*muted.key, f"muted {describe_until(muted.until)}{why}"),))


def result_of_unmute(sync: SyncKey, unmuted: Mute | None) -> ActionResult:
    """The result as it is recorded; None for a sync that was not muted."""
    if unmuted is None:
        return ActionResult(left_alone=(of_sync(*sync, "it is not muted"),))
    return ActionResult(done=(of_sync(*sync, "unmuted: what is still wrong with it is told"),))
