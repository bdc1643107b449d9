"""Recovery of jobs: a worker takes over those of dead workers, and retries its own lost ones.

It uses neither a job slot nor a job's connection, because all jobs may hang in calls to a vendor.
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
from relay.postgres.connections import TimeoutConnection
from relay.store.takeovers import TakenOver
from relay.worker import tasks
from relay.worker.alive_file import AliveFile
from relay.worker.mapping_report import MappingReport
from relay.worker.services import Services

# The jobs of a dead worker are taken over within 22 seconds. The documents promise 60; a job may
# have to wait RELAY_HTTP_TIMEOUT (30 by default) while all slots of other workers hang in a call.
HEARTBEAT_SECONDS = 5
SILENT_FOR = timedelta(seconds=20)
CHECK_SECONDS = 1.0
PERIODIC_SECONDS = 10.0

log = get_logger()


class WatchConnection(TimeoutConnection):
    """The connection of the watch.

    A database that no longer answers is one that cannot be reached: without a timeout, the watch
    would wait, and its worker would seem to hang.
    """

    query_timeout = 20.0  # seconds


class EngineJobs:
    """The jobs that one engine of this process runs."""

    def __init__(self) -> None:
        self.worker_id: int | None = None  # None before its first job
        self.running: set[int] = set()
        self.is_ending = False  # it takes no new job and sends no heartbeat

    async def track(
        self, work: Callable[[], Awaitable[Any]], context: JobContext, engine: Worker
    ) -> Any:
        """The engine's middleware: around each job."""
        self.worker_id = engine.worker_id
        job_id = context.job.id
        assert job_id is not None
        self.running.add(job_id)
        try:
            return await work()
        finally:
            self.running.discard(job_id)


class JobWatch:
    """The jobs of this process's engines, and the regular checks for abandoned jobs."""

    def __init__(self, services: Services, stopwatch: Stopwatch = stopwatch) -> None:
        """The services' store has its own connection, which no job uses."""
        self._services = services
        self._stopwatch = stopwatch
        self._engines: list[EngineJobs] = []
        self._lost: frozenset[int] = frozenset()
        self._requested_for: str | None = None  # the digest of a mapping
        self._mapping_report = MappingReport(services)
        self._alive_file = AliveFile(services.settings.worker_alive_file)
        self._takeover_allowed_at = self._periodic_at = stopwatch()

    def add_engine(self) -> EngineJobs:
        """Track a new engine; the caller sets `is_ending`."""
        self._engines.append(EngineJobs())
        return self._engines[-1]

    async def run(self) -> None:
        """Check every second, until cancelled.

        Raises BadSettings if the alive file cannot be written. It is written on the event loop:
        its time shows that the loop runs, and that the check has ended.
        """
        loop = asyncio.get_running_loop()
        thread = ThreadPoolExecutor(1, thread_name_prefix="watch")
        try:
            while True:
                await loop.run_in_executor(thread, self.check)
                self._alive_file.touch()
                await asyncio.sleep(CHECK_SECONDS)
        finally:
            thread.shutdown(wait=False)

    def check(self) -> None:
        """Recover lost jobs and defer due tasks, if the database responds."""
        try:
            self._check()
        except DatabaseUnavailable:
            # The engine logs it. During an outage of the database no worker can send a heartbeat:
            # afterwards each of them gets time for one, before its jobs may be taken over.
            self._takeover_allowed_at = self._stopwatch() + 2 * HEARTBEAT_SECONDS

    def _check(self) -> None:
        _log_rescued(self._taken_back([each for each in self._engines if each.is_ending]))
        if self._stopwatch() >= self._takeover_allowed_at:
            _log_rescued(self._services.store.takeovers.take_over(silent_for=SILENT_FOR))
        if self._stopwatch() >= self._periodic_at:
            self._periodic_at = self._stopwatch() + PERIODIC_SECONDS
            self._request_drift_check()
            tasks.defer_periodic_tasks(self._services)
            report_lost_lines(self._services.store, "worker")
            self._mapping_report.record()
            self.flush_counters()

    def flush_counters(self) -> None:
        """Record what this process counted in memory, which a kill would lose.

        Raises DatabaseUnavailable.
        """
        self._services.counted.flush(self._services.store.tallies)
        self._services.vendor_requests.record_pauses(self._services.store)

    def _request_drift_check(self) -> None:
        """Once for each mapping that this process takes up, the first one included."""
        digest = self._services.mapping.current.digest
        if digest != self._requested_for:
            tasks.request_drift_check(self._services, digest)
            self._requested_for = digest

    def _taken_back(self, ending: list[EngineJobs]) -> list[TakenOver]:
        """The unfinished jobs of ending engines that no longer run here.

        Taken at the second check: at the first, a job's end may not be recorded yet.
        """
        if not ending:
            return []
        takeovers = self._services.store.takeovers
        worker_ids = [each.worker_id for each in ending if each.worker_id is not None]
        takeovers.record_heartbeat(worker_ids)
        recorded = takeovers.jobs_of(worker_ids)
        running: set[int] = set().union(*(each.running for each in ending))
        before, self._lost = self._lost, recorded - running
        if not recorded and not running:
            for each in ending:
                self._engines.remove(each)
        return takeovers.requeue(before & self._lost, worker_ids)


def ids_of(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a job that its log lines contain."""
    names = ("dbt_account_id", "dbt_run_id", "workspace", "sync_id")
    return {name: arguments[name] for name in names if name in arguments}


def _log_rescued(taken: Iterable[TakenOver]) -> None:
    for job in taken:
        log.warning("job.rescued", task=job.task, **ids_of(job.arguments))
