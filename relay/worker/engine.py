"""The engine: Procrastinate with relay's tasks, whose failures are logged and recorded."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import procrastinate
from structlog.contextvars import bind_contextvars, clear_contextvars

from relay.errors import DatabaseUnavailable
from relay.logs import get_logger, redact
from relay.notation import short_message
from relay.postgres.connections import engine_pool
from relay.postgres.server import Server
from relay.store import jobs
from relay.store.jobs import RunningJob
from relay.store.tallies import count
from relay.worker import tasks
from relay.worker.connector import Connector
from relay.worker.job_ends import JobEnds
from relay.worker.services import Services
from relay.worker.watch import ids_of

log = get_logger()


def engine_of(
    services: Services, server: Server, on_connection_lost: Callable[[], None] = lambda: None
) -> procrastinate.App:
    """Procrastinate with relay's tasks and jobs in the server's database.

    `on_connection_lost` is called when a query of the engine fails.
    """

    async def conninfo() -> str:
        # relay's own server may have to be started first, which takes seconds.
        return await asyncio.to_thread(server.ensure_running)

    connector = Connector(
        on_connection_lost,
        pool_factory=engine_pool,
        conninfo=conninfo,
        min_size=1,
        max_size=4,
        timeout=10.0,
    )
    engine = procrastinate.App(connector=connector)
    engine.job_manager = JobEnds(connector)
    for name in TASKS:
        former = [jobs.FORMER_NAMES[name]] if name in jobs.FORMER_NAMES else []
        add = engine.task(
            name=name, queue=jobs.QUEUE, retry=_RetryForever(), aliases=former, pass_context=True
        )
        add(_with_context(name, services))
    engine.task(name=jobs.FORMER_ROUND, queue=jobs.QUEUE)(_noop)
    return engine


@dataclass(frozen=True, slots=True)
class _Task:
    """A job's function, and the one that records an unexpected error; None: the engine retries."""

    function: Callable[..., None]
    record_failure: Callable[..., None] | None

    def run(self, services: Services, job: RunningJob, arguments: Mapping[str, Any]) -> None:
        self.function(services, **arguments)


@dataclass(frozen=True, slots=True)
class _ContinuedTask(_Task):
    """One whose job may become another."""

    def run(self, services: Services, job: RunningJob, arguments: Mapping[str, Any]) -> None:
        self.function(services, job, **arguments)


TASKS: dict[str, _Task] = {
    jobs.EVALUATE_DBT_RUN: _ContinuedTask(tasks.evaluate_dbt_run, tasks.evaluation_failed),
    jobs.START_SYNC_RUN: _Task(tasks.start_sync_run, tasks.start_failed),
    jobs.SCHEDULED_START: _Task(tasks.scheduled_start, None),
    jobs.POLL_SYNC_RUN: _Task(tasks.poll_sync_run, tasks.poll_failed),
    jobs.CATCH_UP: _Task(tasks.catch_up, tasks.periodic_task_failed),
    jobs.PRUNE: _Task(tasks.prune, tasks.periodic_task_failed),
    jobs.END_HOLD: _Task(tasks.end_hold, None),
    jobs.SEND_HEARTBEAT: _Task(tasks.send_heartbeat, tasks.periodic_task_failed),
    jobs.CHECK_DRIFT: _Task(tasks.check_drift, tasks.drift_check_failed),
    jobs.REVIEW_ALERTS: _Task(tasks.review_alerts, tasks.periodic_task_failed),
    jobs.SEND_MESSAGES: _Task(tasks.send_messages, tasks.sending_failed),
    jobs.SCHEDULED_SEND: _Task(tasks.scheduled_send, None),
    jobs.ANSWER_REQUEST: _Task(tasks.answer_request, tasks.request_failed),
}


class _RetryForever(procrastinate.BaseRetryStrategy):
    """Retries a job that could not record its failure, with exponential backoff, without end.

    In that case the database has failed, not the run.
    """

    def get_retry_decision(
        self, *, exception: BaseException, job: procrastinate.jobs.Job
    ) -> procrastinate.RetryDecision | None:
        return procrastinate.RetryDecision(
            retry_in={"seconds": min(2 ** min(job.attempts, 9), 300)}
        )


def _with_context(name: str, services: Services) -> Callable[..., None]:
    """The task, and then what its job has become, even if the task failed after that."""

    def perform(context: procrastinate.JobContext, **arguments: Any) -> None:
        assert context.job.id is not None
        job = RunningJob(context.job.id, context.job.attempts)
        _perform(services, job, name, arguments)
        if job.goes_on is not None:
            _perform(services, job, job.goes_on.task, job.goes_on.arguments)

    return perform


def _perform(services: Services, job: RunningJob, name: str, arguments: Mapping[str, Any]) -> None:
    """Run a task, with its ids in every log line, and a log line if it fails."""
    clear_contextvars()
    bind_contextvars(**ids_of(arguments))
    try:
        _run(services, job, name, arguments)
    except DatabaseUnavailable as exc:
        log.warning("task.failed", task=name, problem=str(exc))
        _count_failure(services, name)
        raise


def _run(services: Services, job: RunningJob, name: str, arguments: Mapping[str, Any]) -> None:
    task = TASKS[name]
    try:
        task.run(services, job, arguments)
    except DatabaseUnavailable:
        raise
    except Exception as exc:
        log.exception("task.failed", task=name)
        _count_failure(services, name)
        if task.record_failure is None:
            raise
        problem = short_message(redact(f"{type(exc).__name__}: {exc}"))
        task.record_failure(services, problem, **arguments)


def _count_failure(services: Services, name: str) -> None:
    """In memory: the database may be what failed."""
    services.counted.add([count("relay_task_failures_total", task=name)])


def _noop(timestamp: int) -> None:
    """A task that workers of the previous version defer during an upgrade; unused now."""
