"""Deleting old rows."""

from datetime import timedelta

from relay.logs import get_logger
from relay.store.retention import KEPT
from relay.worker.services import Services

# A sync's `within` may be long, and a node's parent may be rebuilt rarely.
BUILDS_KEPT = timedelta(days=365)

log = get_logger()


def prune(services: Services) -> None:
    """Delete old deliveries, decisions and sync runs that have ended."""
    now = services.clock()
    deleted = services.store.retention.prune(before=now - KEPT, builds_before=now - BUILDS_KEPT)
    if any(deleted.values()):
        log.info("database.pruned", rows={table: rows for table, rows in deleted.items() if rows})
