"""`relay hold` and `relay release`: in the database, where every worker looks."""

from dataclasses import dataclass
from datetime import datetime

from relay.errors import BadMapping
from relay.mapping_file import load
from relay.operations.readiness import Check, check_worker
from relay.operations.sync_lookup import find_mapped, require_workspace
from relay.postgres.connections import single_connection
from relay.postgres.server import Server
from relay.settings import Settings
from relay.store import Hold, HoldScope, Store, Underway


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
    with single_connection(server) as connections:
        holds = Store(connections).holds
        held, underway = holds.hold(scope, until=until, why=why, by=by, now=now)
        return Held(hold=held, underway=underway)


def release(server: Server, scope: HoldScope, *, by: str, now: datetime) -> Released:
    """End the hold of exactly this scope. Raises DatabaseUnavailable."""
    with single_connection(server) as connections:
        store = Store(connections)
        released = store.holds.release(scope, by=by, now=now)
        still_held = tuple(hold for hold in store.holds.open(now=now) if _meet(hold.scope, scope))
        worker = check_worker(*store.status.last_heartbeat())
    return Released(released=released, still_held=still_held, worker=worker)


def _meet(one: HoldScope, other: HoldScope) -> bool:
    """Whether some sync may be part of both."""
    return _may_be(one.workspace, other.workspace) and _may_be(one.sync_id, other.sync_id)


def _may_be(one: object, other: object) -> bool:
    return one is None or other is None or one == other
