"""What one worker of them all does now and then: catch up, and forget what ended long ago."""

from datetime import timedelta

from relay.logs import get_logger
from relay.store import jobs
from relay.worker.services import Services

KEPT = timedelta(days=30)
BETWEEN_PRUNINGS = timedelta(hours=1)

log = get_logger()


def begin_chores(services: Services) -> None:
    """Have every chore be due: a worker starts."""
    now, account = services.clock(), services.dbt_cloud.dbt_account_id
    services.store.catch_ups.begin(account, now=now)
    for name, _ in _chores(services):
        services.store.chores.begin(name, at=now)


def hand_out_chores(services: Services) -> None:
    """Put what is due into the queue, for whichever worker is free."""
    now = services.clock()
    for name, every in _chores(services):
        services.store.chores.hand_out(name, now=now, every=every)


def _chores(services: Services) -> list[tuple[str, timedelta]]:
    interval = services.settings.catch_up_interval
    catching_up = [(jobs.CATCH_UP, timedelta(seconds=interval))] if interval else []
    return [*catching_up, (jobs.PRUNE, BETWEEN_PRUNINGS)]


def prune(services: Services) -> None:
    """Forget what came, was decided and ended long ago."""
    deleted = services.store.retention.prune(before=services.clock() - KEPT)
    if any(deleted.values()):
        log.info("database.pruned", rows={table: rows for table, rows in deleted.items() if rows})
