"""Muting a sync: no message is sent about it until a time."""

import uuid

from relay.dashboard.actions.action import CannotAct, Done, Given, Preview
from relay.dashboard.actions.given import (
    end_fields,
    end_given,
    require_known,
    sync_field,
    sync_given,
    why_given,
)
from relay.dashboard.visit import Visit
from relay.operations.mute import result_of_mute, result_of_unmute
from relay.operations.recorded import describe_until, of_sync
from relay.store import ActionKind, HoldScope, Mute
from relay.workspaces import SyncKey, display_id

MUTES = "no message is sent about it; it is triggered as ever"


def preview_mute(visit: Visit, given: Given) -> Preview:
    """Of `sync=WORKSPACE/ID`."""
    sync = sync_given(given)
    title = f"Mute sync {display_id(*sync)}"
    try:
        notes = require_known(visit, HoldScope(*sync))
    except CannotAct as exc:
        return Preview(title=title, notes=(str(exc),))
    now = _mute_of(visit, sync)
    known = () if now is None else (f"It is {_described(now)}: this changes it.",)
    return Preview(
        title=title,
        would=(of_sync(*sync, MUTES),),
        notes=(*notes, *known),
        fields=(sync_field(sync), *end_fields(given, "A mute needs an end.")),
        button=title,
    )


def perform_mute(visit: Visit, given: Given, nonce: uuid.UUID) -> Done:
    """Mute, or change the mute."""
    sync = sync_given(given)
    require_known(visit, HoldScope(*sync))
    until, by = end_given(given, visit.now), visit.visitor.name
    if until is None:
        raise CannotAct("say when it ends: either for how long, or until when")
    why = why_given(given)
    muted = visit.store.mutes.mute(sync, until=until, why=why, by=by, now=visit.now)
    subject = f"sync {display_id(*sync)}"
    return Done(what=ActionKind.MUTE, subject=subject, result=result_of_mute(muted))


def preview_unmute(visit: Visit, given: Given) -> Preview:
    """Of `sync=WORKSPACE/ID`."""
    sync = sync_given(given)
    title = f"Unmute sync {display_id(*sync)}"
    now = _mute_of(visit, sync)
    if now is None:
        return Preview(title=title, notes=("It is not muted.",))
    says = f"unmuted: what is still wrong with it is told. It is {_described(now)}"
    return Preview(
        title=title, would=(of_sync(*sync, says),), fields=(sync_field(sync),), button=title
    )


def perform_unmute(visit: Visit, given: Given, nonce: uuid.UUID) -> Done:
    """End the mute, if there is one."""
    sync = sync_given(given)
    result = result_of_unmute(sync, visit.store.mutes.unmute(sync, now=visit.now))
    return Done(what=ActionKind.UNMUTE, subject=f"sync {display_id(*sync)}", result=result)


def _mute_of(visit: Visit, sync: SyncKey) -> Mute | None:
    return next((mute for mute in visit.store.mutes.open(now=visit.now) if mute.key == sync), None)


def _described(mute: Mute) -> str:
    why = f" ({mute.why})" if mute.why else ""
    return f"muted {describe_until(mute.until)} by {mute.by}{why}"
