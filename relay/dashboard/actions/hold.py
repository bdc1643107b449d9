"""Holding and releasing a sync, all syncs of a workspace, or all."""

import hashlib
import uuid

from relay.dashboard.actions.action import SEEN, CannotAct, Done, Field, Given, Preview
from relay.dashboard.actions.given import (
    end_fields,
    end_given,
    require_known,
    scope_fields,
    scope_given,
    why_given,
)
from relay.dashboard.visit import Visit
from relay.operations.hold import (
    Held,
    describe_scope,
    meet,
    release_in,
    result_of_hold,
    result_of_release,
)
from relay.operations.recorded import describe_until, of_sync
from relay.store import ActionKind, Hold, HoldScope

WAITS = "triggers wait, and become one sync run at the release; nothing is lost"


def preview_hold(visit: Visit, given: Given) -> Preview:
    """Of `sync=WORKSPACE/ID`, `workspace=NAME` or `all=yes`."""
    scope = scope_given(given)
    title = f"Hold {describe_scope(scope)}"
    try:
        notes = require_known(visit, scope)
    except CannotAct as exc:
        return Preview(title=title, notes=(str(exc),))
    now = _hold_of(visit, scope)
    known = () if now is None else (f"It is held already, {_described(now)}: this changes it.",)
    return Preview(
        title=title,
        would=(of_sync(scope.workspace, scope.sync_id, WAITS),),
        notes=(*notes, *known),
        fields=(
            *scope_fields(scope),
            _seen(now),
            *end_fields(given, "With neither, until somebody releases it."),
        ),
        button=title,
    )


def perform_hold(visit: Visit, given: Given, nonce: uuid.UUID) -> Done:
    """Hold, or change the hold."""
    scope = scope_given(given)
    notes = require_known(visit, scope)
    _require_seen(visit, scope, given)
    until, why, by = end_given(given, visit.now), why_given(given), visit.visitor.name
    hold, underway = visit.store.holds.hold(scope, until=until, why=why, by=by, now=visit.now)
    result = result_of_hold(Held(hold=hold, underway=underway), notes)
    return Done(what=ActionKind.HOLD, subject=describe_scope(scope), result=result)


def preview_release(visit: Visit, given: Given) -> Preview:
    """Of `sync=WORKSPACE/ID`, `workspace=NAME` or `all=yes`."""
    scope = scope_given(given)
    title, key = f"Release {describe_scope(scope)}", (scope.workspace, scope.sync_id)
    open_holds = visit.store.holds.open(now=visit.now)
    hold = next((each for each in open_holds if each.scope == scope), None)
    others = tuple(
        of_sync(each.workspace, each.sync_id, f"stays held: {_described(each)}")
        for each in open_holds
        if each is not hold and meet(each.scope, scope)
    )
    if hold is None:
        return Preview(title=title, left_alone=others, notes=("There is no such hold.",))
    says = f"what has waited starts, as one sync run for each sync. It is {_described(hold)}"
    return Preview(
        title=title,
        would=(of_sync(*key, says),),
        left_alone=others,
        fields=(*scope_fields(scope), _seen(hold)),
        button=title,
    )


def perform_release(visit: Visit, given: Given, nonce: uuid.UUID) -> Done:
    """End the hold, if it is still open."""
    scope = scope_given(given)
    _require_seen(visit, scope, given)
    released = release_in(visit.store, scope, by=visit.visitor.name, now=visit.now)
    result = result_of_release(scope, released)
    return Done(what=ActionKind.RELEASE, subject=describe_scope(scope), result=result)


def _hold_of(visit: Visit, scope: HoldScope) -> Hold | None:
    open_holds = visit.store.holds.open(now=visit.now)
    return next((each for each in open_holds if each.scope == scope), None)


def _seen(hold: Hold | None) -> Field:
    return Field(name=SEEN, value=_mark(hold))


def _mark(hold: Hold | None) -> str:
    """Another one for each change of a hold; it may have any text."""
    return "" if hold is None else hashlib.sha256(repr(hold).encode()).hexdigest()


def _require_seen(visit: Visit, scope: HoldScope, given: Given) -> None:
    """Raise CannotAct for a hold that somebody has made or changed since the preview."""
    hold = _hold_of(visit, scope)
    if hold is not None and _mark(hold) != given.get(SEEN, ""):
        raise CannotAct(f"it has changed meanwhile: it is {_described(hold)}")


def _described(hold: Hold) -> str:
    why = f" ({hold.why})" if hold.why else ""
    return f"held {describe_until(hold.until)} by {hold.by}{why}"
