"""Periodic tasks, each run at its interval by one of all workers."""

from datetime import timedelta
from typing import NamedTuple

from relay.store import jobs
from relay.worker.services import Services
from relay.worker.tasks.alerts import BETWEEN_REVIEWS
from relay.worker.tasks.drift import BETWEEN_CHECKS

BETWEEN_PRUNINGS = timedelta(hours=1)
BETWEEN_HEARTBEATS = timedelta(minutes=1)


def start_periodic_tasks(services: Services) -> None:
    """Make every periodic task due, when a worker starts; the drift check within a day."""
    now, account = services.clock(), services.dbt_cloud.dbt_account_id
    services.store.catch_ups.begin(account, now=now)
    for task in _periodic_tasks(services):
        # Comparing everything at each start would be too much: a changed mapping asks for it.
        at = now + BETWEEN_CHECKS if task.name == jobs.CHECK_DRIFT else now
        services.store.periodic_tasks.make_due(task.name, at=at)


def defer_periodic_tasks(services: Services) -> None:
    """Defer the due tasks, for any free worker."""
    now = services.clock()
    for name, every, queue in _periodic_tasks(services):
        services.store.periodic_tasks.defer_if_due(name, now=now, every=every, queue=queue)


def periodic_task_failed(services: Services, problem: str) -> None:
    """Do nothing: the task is deferred again when it is next due."""


class _Periodic(NamedTuple):
    name: str
    every: timedelta
    queue: str = jobs.QUEUE


def _periodic_tasks(services: Services) -> list[_Periodic]:
    interval = services.settings.catch_up_interval
    catching_up = [_Periodic(jobs.CATCH_UP, timedelta(seconds=interval))] if interval else []
    beats = services.settings.heartbeat_url is not None
    heartbeat = _Periodic(jobs.SEND_HEARTBEAT, BETWEEN_HEARTBEATS, jobs.MESSAGES_QUEUE)
    return [
        *catching_up,
        _Periodic(jobs.PRUNE, BETWEEN_PRUNINGS),
        _Periodic(jobs.CHECK_DRIFT, BETWEEN_CHECKS),
        _Periodic(jobs.REVIEW_ALERTS, BETWEEN_REVIEWS, jobs.MESSAGES_QUEUE),
        *([heartbeat] if beats else []),
    ]
