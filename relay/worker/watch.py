"""A worker's watch over jobs: it takes over those of dead workers, and takes back its own.

It needs no slot and no connection that the jobs use: all of them may hang in a call to a vendor.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from procrastinate import JobContext
from procrastinate.worker import Worker

from relay.clock import Stopwatch, stopwatch
from relay.errors import DatabaseUnavailable
from relay.logs import get_logger
from relay.operations.lost_lines import report_lost_lines
from relay.store.takeovers import TakenOver
from relay.worker import tasks
from relay.worker.services import Services

# A worker that dies is taken over within 22 seconds. Users are promised 60, and the job may have
# to wait 30 more: the default of RELAY_HTTP_TIMEOUT, where all slots of the others hang in a call.
HEARTBEAT_SECONDS = 5
SILENT_FOR = timedelta(seconds=20)
LOOK_SECONDS = 1.0
PERIODIC_SECONDS = 10.0

log = get_logger()


class EngineJobs:
    """The jobs that one engine of this process works on."""

    def __init__(self) -> None:
        self.worker_id: int | None = None  # None: it has had no job yet
        self.under_way: set[int] = set()
        self.is_ending = False  # it takes no new job, and sends no heartbeat

    async def note(
        self, work: Callable[[], Awaitable[Any]], context: JobContext, engine: Worker
    ) -> Any:
        """The engine's middleware: around each job."""
        self.worker_id = engine.worker_id
        job_id = context.job.id
        assert job_id is not None
        self.under_way.add(job_id)
        try:
            return await work()
        finally:
            self.under_way.discard(job_id)


class JobWatch:
    """The jobs of this process's engines, and the regular checks for abandoned jobs."""

    def __init__(self, services: Services, stopwatch: Stopwatch = stopwatch) -> None:
        """The services' store has a connection that no job takes."""
        self._services = services
        self._stopwatch = stopwatch
        self._engines: list[EngineJobs] = []
        self._cut_off: frozenset[int] = frozenset()
        self._judges_from = self._periodic_at = stopwatch()

    def new_engine(self) -> EngineJobs:
        """An engine that begins; whoever runs it says when it is ending."""
        self._engines.append(EngineJobs())
        return self._engines[-1]

    async def keep(self) -> None:
        """Look every second, until cancelled."""
        loop = asyncio.get_running_loop()
        thread = ThreadPoolExecutor(1, thread_name_prefix="watch")
        try:
            while True:
                await loop.run_in_executor(thread, self.look)
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            thread.shutdown(wait=False)

    def look(self) -> None:
        """Take back, take over, defer what is due, where the database answers."""
        try:
            self._look()
        except DatabaseUnavailable:
            # The engine logs it. When the database is back, every worker has been silent for as
            # long as it was gone: they get the time for a sign of life before they are judged.
            self._judges_from = self._stopwatch() + 2 * HEARTBEAT_SECONDS

    def _look(self) -> None:
        _log_rescued(self._taken_back([each for each in self._engines if each.is_ending]))
        if self._stopwatch() >= self._judges_from:
            _log_rescued(self._services.store.takeovers.take_over(silent_for=SILENT_FOR))
        if self._stopwatch() >= self._periodic_at:
            self._periodic_at = self._stopwatch() + PERIODIC_SECONDS
            tasks.defer_periodic_tasks(self._services)
            report_lost_lines(self._services.store, "worker")

    def _taken_back(self, ending: list[EngineJobs]) -> list[TakenOver]:
        """The jobs of ending engines that do not run here any more.

        They are taken at the second look: at the first, an end may be about to be recorded.
        """
        if not ending:
            return []
        takeovers = self._services.store.takeovers
        worker_ids = [each.worker_id for each in ending if each.worker_id is not None]
        takeovers.record_heartbeat(worker_ids)
        recorded = takeovers.jobs_of(worker_ids)
        under_way: set[int] = set().union(*(each.under_way for each in ending))
        before, self._cut_off = self._cut_off, recorded - under_way
        if not recorded and not under_way:
            for each in ending:
                self._engines.remove(each)
        return takeovers.requeue(before & self._cut_off, worker_ids)


def ids_of(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a job's arguments that its log lines have."""
    names = ("dbt_account_id", "dbt_run_id", "workspace", "sync_id")
    return {name: arguments[name] for name in names if name in arguments}


def _log_rescued(taken: Iterable[TakenOver]) -> None:
    for job in taken:
        log.warning("job.rescued", task=job.task, **ids_of(job.arguments))
