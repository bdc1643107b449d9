"""Jobs, workers and the vendors' pauses, as they are now."""

from datetime import UTC, datetime

import msgspec

from relay.dashboard.visit import Visit
from relay.operations.readiness import WORKER_DEAD_AFTER
from relay.store.metrics import JobFigures
from relay.store.observations import VENDOR_PAUSED_UNTIL
from relay.store.pages.queue import JobRow, PeriodicRow, WorkerRow


class Pause(msgspec.Struct, frozen=True, kw_only=True):
    """A vendor that asked for a pause; `vendor` is `dbt`, or `census/WORKSPACE`."""

    vendor: str
    until: datetime


class QueuePage(msgspec.Struct, frozen=True, kw_only=True):
    """The page; `running` are jobs that workers are at, `failed` the newest that failed."""

    tasks: list[JobFigures]
    running: tuple[JobRow, ...]
    failed: tuple[JobRow, ...]
    workers: list[WorkerRow]
    periodic: list[PeriodicRow]
    pauses: tuple[Pause, ...]


def view(visit: Visit) -> QueuePage:
    """It has no filters."""
    queue = visit.pages.queue
    jobs = queue.jobs()
    return QueuePage(
        tasks=visit.store.metrics.jobs(),
        running=tuple(job for job in jobs if job.status == "doing"),
        failed=tuple(job for job in jobs if job.status == "failed"),
        workers=queue.workers(silent_after=WORKER_DEAD_AFTER),
        periodic=queue.periodic(),
        pauses=_pauses(visit),
    )


def _pauses(visit: Visit) -> tuple[Pause, ...]:
    paused = (
        Pause(vendor=one.subject, until=datetime.fromtimestamp(one.value, UTC))
        for one in visit.store.observations.all()
        if one.name == VENDOR_PAUSED_UNTIL
    )
    return tuple(pause for pause in paused if pause.until > visit.now)
