"""Ending a hold, because a person released it or its time is up."""

from relay.logs import get_logger
from relay.worker.services import Services

log = get_logger()


def end_hold(services: Services, *, hold_id: int) -> None:
    """Start what waited for a hold, as one sync run for each sync."""
    ended = services.store.holds.end(hold_id, now=services.clock())
    if ended is None:
        return
    hold = ended.hold
    log.info(
        "sync.released",
        scope=hold.scope.kind,
        workspace=hold.workspace,
        sync_id=hold.sync_id,
        by=hold.released_by,
        since=hold.since,
        why=hold.why,
        triggers=ended.triggers,
    )
