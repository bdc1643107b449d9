"""Periodic tasks, each run at its interval by one of all workers."""

from datetime import timedelta

from relay.store import jobs
from relay.worker.services import Services
from relay.worker.tasks.alerts import BETWEEN_REVIEWS
from relay.worker.tasks.drift import BETWEEN_CHECKS

BETWEEN_PRUNINGS = timedelta(hours=1)
# Of the tasks that workers of the version before do not know.
_QUEUES = {jobs.REVIEW_ALERTS: jobs.MESSAGES_QUEUE}


def start_periodic_tasks(services: Services) -> None:
    """Make every periodic task due, when a worker starts; the drift check within a day."""
    now, account = services.clock(), services.dbt_cloud.dbt_account_id
    services.store.catch_ups.begin(account, now=now)
    for name, _ in _periodic_tasks(services):
        # Comparing everything at each start would be too much: a changed mapping asks for it.
        at = now + BETWEEN_CHECKS if name == jobs.CHECK_DRIFT else now
        services.store.periodic_tasks.make_due(name, at=at)


def defer_periodic_tasks(services: Services) -> None:
    """Defer the due tasks, for any free worker."""
    now = services.clock()
    for name, every in _periodic_tasks(services):
        queue = _QUEUES.get(name, jobs.QUEUE)
        services.store.periodic_tasks.defer_if_due(name, now=now, every=every, queue=queue)


def periodic_task_failed(services: Services, problem: str) -> None:
    """Do nothing: the task is deferred again when it is next due."""


def _periodic_tasks(services: Services) -> list[tuple[str, timedelta]]:
    interval = services.settings.catch_up_interval
    catching_up = [(jobs.CATCH_UP, timedelta(seconds=interval))] if interval else []
    return [
        *catching_up,
        (jobs.PRUNE, BETWEEN_PRUNINGS),
        (jobs.CHECK_DRIFT, BETWEEN_CHECKS),
        (jobs.REVIEW_ALERTS, BETWEEN_REVIEWS),
    ]
