"""The worker process: Procrastinate with relay's tasks, recovery of jobs, and shutdown."""

import asyncio
import os
import signal
import threading
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any

import procrastinate
import psycopg
from procrastinate.exceptions import ConnectorException

from relay.errors import DatabaseUnavailable
from relay.logs import get_logger, log_misspelled_variables, redact
from relay.mapping_file import MappingFile
from relay.notation import describe_error
from relay.postgres.connections import open_pool
from relay.postgres.migrate import migrate
from relay.postgres.server import Server
from relay.settings import WorkerSettings
from relay.store import Store, jobs
from relay.vendors.connect import CONNECTIONS
from relay.worker import tasks
from relay.worker.alive_file import AliveFile
from relay.worker.api_versions import ApiVersions
from relay.worker.channels import ChannelCheck
from relay.worker.engine import engine_of
from relay.worker.services import Services, build_services
from relay.worker.watch import HEARTBEAT_SECONDS, EngineJobs, JobWatch, WatchConnection

# When the engine deletes a silent worker; the watch takes over its jobs long before.
FORGOTTEN_SECONDS = 3600.0
SPARE_THREADS = 4  # for DNS look-ups, while every job hangs in a call to a vendor

POLLING_SECONDS = 1.0  # scheduled jobs are seen by polling, new ones by NOTIFY
MAPPING_SECONDS = 5.0
API_VERSION_SECONDS = 60.0
DRAIN_SECONDS = 20.0
EXIT_SECONDS = 24.0  # of the 25 that a platform gives after SIGTERM
RESTART_SECONDS = 2.0

log = get_logger()


def run(settings: WorkerSettings, server: Server) -> None:
    """Run jobs until SIGTERM or SIGINT, then wait for the running ones.

    Raises BadSettings, BadMapping or DatabaseUnavailable if it cannot start.
    """
    log_misspelled_variables(settings)
    AliveFile(settings.worker_alive_file).touch()
    mapping = MappingFile(settings.mapping, settings.census_hosts)
    migrate(server)
    with (
        open_pool(server, max_size=CONNECTIONS) as pool,
        open_pool(server, max_size=1, connection_class=WatchConnection) as watch_pool,
    ):
        services = build_services(settings, mapping, Store(pool))
        tasks.start_periodic_tasks(services)
        watch = JobWatch(replace(services, store=Store(watch_pool)))
        asyncio.run(_Worker(services, server, watch).work())
        with suppress(DatabaseUnavailable):
            watch.flush_counters()
        log.info("worker.stopped", pid=os.getpid())


class _Worker:
    def __init__(self, services: Services, server: Server, watch: JobWatch) -> None:
        self._services = services
        self._server = server
        self._watch = watch
        self._stopping = asyncio.Event()
        self._broken = asyncio.Event()

    async def work(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        loop.set_exception_handler(self._on_engine_error)
        threads = ThreadPoolExecutor(CONNECTIONS + SPARE_THREADS, thread_name_prefix="job")
        loop.set_default_executor(threads)
        log.info("worker.started", pid=os.getpid())  # from here on it handles signals
        engines = asyncio.create_task(self._run_engines())
        background = [
            asyncio.create_task(self._refresh_mapping()),
            asyncio.create_task(self._watch.run()),
            asyncio.create_task(self._find_api_versions()),
        ]
        try:
            await _first_of(engines, *background)
            for each in (*background, engines):
                if each.done():
                    await each  # raises unexpected errors
        finally:
            for each in background:
                each.cancel()

    async def _run_engines(self) -> None:
        """Run engines, one after another: each lost connection to the database ends one.

        A broken engine finishes its jobs while its successor runs. Jobs whose end it could not
        record are retried: to the database, the new engine is a new worker.
        """
        engines: set[asyncio.Task[None]] = set()
        while not self._stopping.is_set():
            self._broken = asyncio.Event()
            engine = asyncio.create_task(self._run_engine(self._broken))
            engines.add(engine)
            engine.add_done_callback(engines.discard)
            await _first_of(engine, self._stopping.wait(), self._broken.wait())
            if engine.done():
                await engine  # raises unexpected errors
            if self._broken.is_set():
                await _first_of(self._stopping.wait(), asyncio.sleep(RESTART_SECONDS))
        await asyncio.gather(*engines)

    async def _run_engine(self, broken: asyncio.Event) -> None:
        """Run one engine until it stops or breaks, and its jobs have ended."""
        ours = self._watch.add_engine()
        try:
            engine = engine_of(self._services, self._server, broken.set)
            async with engine.open_async():
                await self._until_it_ends(engine, ours, broken)
        except (ConnectorException, DatabaseUnavailable, psycopg.OperationalError) as exc:
            log.warning("worker.lost_the_database", problem=_problem(exc))
        finally:
            ours.is_ending = True
            broken.set()

    async def _until_it_ends(
        self, engine: procrastinate.App, ours: EngineJobs, broken: asyncio.Event
    ) -> None:
        running = asyncio.create_task(
            engine.run_worker_async(
                queues=jobs.QUEUES,
                concurrency=CONNECTIONS,
                fetch_job_polling_interval=POLLING_SECONDS,
                update_heartbeat_interval=HEARTBEAT_SECONDS,
                stalled_worker_timeout=FORGOTTEN_SECONDS,
                shutdown_graceful_timeout=DRAIN_SECONDS,
                delete_jobs="successful",
                install_signal_handlers=False,
                worker_middleware=[ours.track],
            )
        )
        await _first_of(running, self._stopping.wait(), broken.wait())
        ours.is_ending = True
        running.cancel()  # the engine then takes no new job, and waits for running ones
        with suppress(asyncio.CancelledError):
            await running

    async def _refresh_mapping(self) -> None:
        channels = ChannelCheck(self._services)
        while True:
            channels.check()
            await asyncio.sleep(MAPPING_SECONDS)
            self._services.mapping.refresh()

    async def _find_api_versions(self) -> None:
        versions = ApiVersions(self._services)
        while True:
            await asyncio.to_thread(versions.find)
            await asyncio.sleep(API_VERSION_SECONDS)

    def _stop(self) -> None:
        if not self._stopping.is_set():
            self._stopping.set()
            timer = threading.Timer(EXIT_SECONDS, self._exit_now)
            timer.daemon = True
            timer.start()

    def _exit_now(self) -> None:
        """Exit although a job still runs: another worker takes it over."""
        log.warning("worker.stopped", pid=os.getpid(), drained=False)
        self._server.leave()
        os._exit(0)

    def _on_engine_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Handle an exception of an engine's background task, such as one that records a result."""
        problem = context.get("exception") or context.get("message")
        log.warning("worker.engine_restarted", problem=_problem(problem))
        if not isinstance(problem, ConnectorException):
            self._broken.set()  # the connector reports database errors itself


def _problem(problem: object) -> str:
    """The message of an error. The engine's own exception has the reason in its cause."""
    if isinstance(problem, ConnectorException) and problem.__cause__ is not None:
        problem = problem.__cause__
    return redact(describe_error(problem) if isinstance(problem, BaseException) else str(problem))


async def _first_of(*waits: Awaitable[Any]) -> None:
    """Wait until one is done; coroutines among the others are cancelled, tasks are not."""
    ours = [asyncio.ensure_future(wait) for wait in waits]
    await asyncio.wait(ours, return_when=asyncio.FIRST_COMPLETED)
    for wait, given in zip(ours, waits, strict=True):
        if wait is not given:
            wait.cancel()
