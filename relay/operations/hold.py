"""`relay hold` and `relay release`: in the database, where every worker looks."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from relay.errors import BadMapping
from relay.mapping_file import load
from relay.operations.readiness import Check, check_worker
from relay.operations.recorded import by_command, describe_until, of_sync
from relay.operations.sync_lookup import find_mapped, require_workspace
from relay.postgres.connections import single_transaction
from relay.postgres.server import Server
from relay.settings import Settings
from relay.store import ActionKind, ActionResult, Hold, HoldScope, Store, Underway
from relay.store.status import HoldRow
from relay.workspaces import display_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A hold as it is now, and the sync runs that it does not stop."""

    hold: Hold
    underway: Underway


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """The result of a release.

    `released` is None if there was no such hold. `still_held` are the other open holds of these
    syncs. `worker` says whether a worker runs, which starts what has waited.
    """

    released: Hold | None
    still_held: tuple[Hold, ...]
    worker: Check


def require_scope(settings: Settings, scope: HoldScope) -> str | None:
    """Raise NotMapped or BadSettings for a sync or workspace that the mapping does not have.

    A mapping that cannot be used does not prevent a hold: its problem is returned.
    """
    try:
        mapping = load(settings.mapping, settings.census_hosts)
    except BadMapping:
        return f"{settings.mapping} cannot be used, so the sync was not looked up in it"
    if scope.workspace is not None:
        require_workspace(mapping, scope.workspace)
        if scope.sync_id is not None:
            find_mapped(mapping, settings.mapping, scope.workspace, scope.sync_id)
    return None


def hold(
    server: Server,
    scope: HoldScope,
    *,
    until: datetime | None,
    why: str | None,
    by: str,
    now: datetime,
) -> Held:
    """Hold these syncs; when this returns, no attempt begins. Raises DatabaseUnavailable."""
    with single_transaction(server) as connections:
        store = Store(connections)
        hold, underway = store.holds.hold(scope, until=until, why=why, by=by, now=now)
        held = Held(hold=hold, underway=underway)
        action = by_command(ActionKind.HOLD, describe_scope(scope), by=by, now=now)
        store.actions.record(action, result_of_hold(held))
    return held


def release(server: Server, scope: HoldScope, *, by: str, now: datetime) -> Released:
    """End the hold of exactly this scope. Raises DatabaseUnavailable."""
    with single_transaction(server) as connections:
        store = Store(connections)
        released = release_in(store, scope, by=by, now=now)
        if released.released is not None:
            action = by_command(ActionKind.RELEASE, describe_scope(scope), by=by, now=now)
            store.actions.record(action, result_of_release(scope, released))
    return released


def release_in(store: Store, scope: HoldScope, *, by: str, now: datetime) -> Released:
    """The same, over the connection of a store."""
    released = store.holds.release(scope, by=by, now=now)
    still_held = tuple(hold for hold in store.holds.open(now=now) if meet(hold.scope, scope))
    worker = check_worker(*store.status.last_heartbeat())
    return Released(released=released, still_held=still_held, worker=worker)


def describe_scope(scope: Hold | HoldScope | HoldRow) -> str:
    """What is held: a sync, or all."""
    if scope.sync_id is not None:
        return f"sync {display_id(scope.workspace or '', scope.sync_id)}"
    return "all syncs" if scope.workspace is None else f"all syncs of {scope.workspace}"


def result_of_hold(held: Held, notes: tuple[str, ...] = ()) -> ActionResult:
    """The result as it is recorded."""
    why = f": {held.hold.why}" if held.hold.why else ""
    says = f"held {describe_until(held.hold.until)}{why}"
    return ActionResult(
        done=(of_sync(held.hold.workspace, held.hold.sync_id, says),),
        notes=(*notes, *_underway(held.underway)),
    )


def _underway(underway: Underway) -> Iterator[str]:
    if underway.starting:
        yield f"sync runs being started, which a hold does not stop: {underway.starting}"
    if underway.running:
        yield f"running sync runs, which are followed to the end: {underway.running}"


def result_of_release(scope: HoldScope, result: Released) -> ActionResult:
    """The result as it is recorded."""
    key = (scope.workspace, scope.sync_id)
    notes = [f"still held: {describe_scope(other.scope)}" for other in result.still_held]
    if result.released is None:
        return ActionResult(left_alone=(of_sync(*key, "no such hold is open"),), notes=tuple(notes))
    if not result.worker.is_well:
        notes.append(f"no worker runs ({result.worker.detail}): what has waited waits for one")
    return ActionResult(done=(of_sync(*key, "released"),), notes=tuple(notes))


def meet(one: HoldScope, other: HoldScope) -> bool:
    """Whether some sync may be part of both."""
    return _may_be(one.workspace, other.workspace) and _may_be(one.sync_id, other.sync_id)


def _may_be(one: object, other: object) -> bool:
    return one is None or other is None or one == other
