"""Deleting old rows, and checking what is derived from the others."""

from datetime import timedelta

from relay.logs import get_logger
from relay.store.retention import KEPT
from relay.store.sync_states import Correction
from relay.worker.services import Services

# A sync's `within` may be long, and a node's parent may be rebuilt rarely.
BUILDS_KEPT = timedelta(days=365)
ACTIONS_KEPT = timedelta(days=365)  # who did what is asked long afterwards

log = get_logger()


def prune(services: Services) -> None:
    """Delete old deliveries, decisions and sync runs that have ended; then check the freshness.

    Nothing should differ, except after an upgrade during which both versions have run.
    """
    now = services.clock()
    deleted = services.store.retention.prune(
        before=now - KEPT, builds_before=now - BUILDS_KEPT, actions_before=now - ACTIONS_KEPT
    )
    if any(deleted.values()):
        log.info("database.pruned", rows={table: rows for table, rows in deleted.items() if rows})
    log_corrected(services.store.sync_states.rebuild())


def log_corrected(corrected: list[Correction]) -> None:
    """Log each stored freshness that was not as its decisions and sync runs say.

    One that was missing is that of a sync which the version before has decided on.
    """
    for before, after in corrected:
        if before is None:
            continue
        log.warning(
            "freshness.corrected",
            workspace=after.workspace,
            sync_id=after.sync_id,
            before=before.behind_since,
            behind_since=after.behind_since,
            because=after.because,
        )
