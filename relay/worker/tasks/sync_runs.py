"""Polling a sync run until it ends."""

from datetime import datetime, timedelta
from http import HTTPStatus

from structlog.contextvars import bind_contextvars

from relay.decision.mapping import REJECTS_OVER
from relay.errors import BadArtifact, NotReadable, Rejected, Unavailable
from relay.logs import get_logger
from relay.store import End, FollowedRun
from relay.sync_runs import Outcome, SyncRun
from relay.worker.backoff import next_try
from relay.worker.services import Services

log = get_logger()


def poll_sync_run(services: Services, *, attempt_id: int, polls: int) -> None:
    """Ask Census for a run's state; `polls` identifies this poll, so that a repeated job ends."""
    followed = _followed(services, attempt_id, polls)
    if followed is None:
        return
    try:
        run = services.census_clients.of(followed.workspace).get_sync_run(followed.sync_run_id)
    except Rejected as exc:
        if exc.http_status == HTTPStatus.NOT_FOUND:
            _abandon(services, followed, str(exc))
        else:
            _poll_again(services, followed, None, str(exc))
    except NotReadable as exc:
        if followed.status is not None:  # it was read there before
            _abandon(services, followed, str(exc))
            return
        if not followed.failures:
            log.warning("sync_run.not_readable", problem=str(exc))
        _poll_again(services, followed, None, str(exc))
    except (Unavailable, BadArtifact) as exc:
        _poll_again(services, followed, None, str(exc))
    else:
        _handle(services, followed, run)


def poll_failed(services: Services, problem: str, *, attempt_id: int, polls: int) -> None:
    """Count an unexpected error of `poll_sync_run` as a failed poll: poll again, or abandon."""
    followed = _followed(services, attempt_id, polls)
    if followed is None:
        return
    now, settings = services.clock(), services.settings
    backoff = next_try(
        followed.failures, followed.backoff_spent, retry_for=settings.retry_for, retry_after=None
    )
    if backoff is None:
        _abandon(services, followed, problem)
        return
    at = max(now + backoff, next_poll(now, settings.follow_interval))
    services.store.sync_runs.poll_again(followed, None, at=at, backoff=at - now)


def _followed(services: Services, attempt_id: int, polls: int) -> FollowedRun | None:
    followed = services.store.sync_runs.followed(attempt_id, polls=polls)
    if followed is not None:
        bind_contextvars(
            workspace=followed.workspace,
            sync_id=followed.sync_id,
            sync_run_id=followed.sync_run_id,
        )
    return followed


def next_poll(now: datetime, follow_interval: int) -> datetime:
    """When to poll a running sync run again."""
    return now + timedelta(seconds=follow_interval)


def is_overdue(since: datetime, now: datetime, follow_deadline: int) -> bool:
    """Whether the deadline for what began at `since` has passed."""
    return now - since >= timedelta(seconds=follow_deadline)


def _handle(services: Services, followed: FollowedRun, run: SyncRun) -> None:
    match run.outcome:
        case None:
            if run.has_unknown_status and run.status != followed.status:
                log.warning("sync_run.status_unknown", status=run.status)
            _poll_again(services, followed, run.status, f"its status is {run.status!r}")
        case Outcome.SKIPPED:
            _handle_skipped(services, followed, run)
        case outcome:
            _end(services, followed, run, outcome)


def _poll_again(services: Services, followed: FollowedRun, status: str | None, detail: str) -> None:
    """Poll again after the interval; after the deadline, abandon the run.

    `status` is None if Census did not respond.
    """
    now, settings = services.clock(), services.settings
    is_late = is_overdue(followed.triggered_at, now, settings.follow_deadline)
    if is_late and (status is not None or _was_polled_long_enough(services, followed)):
        _abandon(services, followed, f"not ended within the deadline; {detail}")
        return
    at = next_poll(now, settings.follow_interval)
    services.store.sync_runs.poll_again(followed, status, at=at)


def _was_polled_long_enough(services: Services, followed: FollowedRun) -> bool:
    """Whether Census had enough time to respond: relay may have been down until the deadline."""
    settings = services.settings
    return followed.failures * settings.follow_interval >= settings.retry_for


def _handle_skipped(services: Services, followed: FollowedRun, run: SyncRun) -> None:
    """Census skipped this run because an earlier one was running: its triggers wait again."""
    now, deadline, store = services.clock(), services.settings.follow_deadline, services.store
    causes = store.sync_runs.causes(followed)
    is_late = any(is_overdue(cause.due_at, now, deadline) for cause in causes.triggers)
    # A held sync waits longer, and by intention.
    if is_late and store.holds.open_on(followed.workspace, followed.sync_id, now=now) is None:
        _abandon(services, followed, "skipped repeatedly until the deadline")
        return
    end = End(outcome=Outcome.SKIPPED, at=now, run=run, problem=run.error_message)
    if store.sync_runs.record_end(followed, end):
        log.warning(
            "sync_run.skipped",
            dbt_run_id=causes.newest_dbt_run_id,
            dbt_run_ids=causes.dbt_run_ids,
        )


def _end(services: Services, followed: FollowedRun, run: SyncRun, outcome: Outcome) -> None:
    now = services.clock()
    causes = services.store.sync_runs.causes(followed)
    end = End(
        outcome=outcome,
        at=now,
        run=run,
        problem=run.error_message,
        rejects_over=_rejects_over(services, followed),
    )
    if not services.store.sync_runs.record_end(followed, end):
        return
    log_end = log.error if outcome is Outcome.FAILED else log.info
    log_end(
        "sync_run.finished",
        outcome=outcome,
        records_processed=run.records_processed,
        records_updated=run.records_updated,
        records_failed=run.records_failed,
        records_invalid=run.records_invalid,
        seconds=round((now - followed.triggered_at).total_seconds(), 1),
        **({"error_code": run.error_code} if run.error_code else {}),
        **({"error_message": run.error_message} if run.error_message else {}),
        dbt_run_id=causes.newest_dbt_run_id,
        dbt_run_ids=causes.dbt_run_ids,
    )


def _rejects_over(services: Services, followed: FollowedRun) -> float:
    sync = services.mapping.current.sync(followed.workspace, followed.sync_id)
    return sync.rejects_over if sync is not None else REJECTS_OVER


def _abandon(services: Services, followed: FollowedRun, problem: str) -> None:
    causes = services.store.sync_runs.causes(followed)
    end = End(outcome=Outcome.ABANDONED, at=services.clock(), problem=problem)
    if services.store.sync_runs.record_end(followed, end):
        log.error(
            "sync_run.abandoned",
            problem=problem,
            dbt_run_id=causes.newest_dbt_run_id,
            dbt_run_ids=causes.dbt_run_ids,
        )
