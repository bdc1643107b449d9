"""A sync run: follow it to its end."""

from http import HTTPStatus

from structlog.contextvars import bind_contextvars

from relay.errors import BadArtifact, Rejected, Unavailable
from relay.logs import get_logger
from relay.store import Attempt
from relay.sync_runs import Outcome, SyncRun
from relay.worker.services import Services
from relay.worker.tasks.telling import dbt_runs, is_past_the_deadline, next_look

log = get_logger()


def look_at_sync_run(services: Services, *, attempt_id: int, looks: int) -> None:
    """Ask Census how a run goes; `looks` tells a repeated job that it is late."""
    attempt = services.store.following.get(attempt_id)
    if attempt is None or attempt.ended_at is not None or attempt.looks != looks:
        return
    if attempt.sync_run_id is None or attempt.triggered_at is None:
        return
    bind_contextvars(
        workspace=attempt.workspace, sync_id=attempt.sync_id, sync_run_id=attempt.sync_run_id
    )
    try:
        run = services.censuses.of(attempt.workspace).get_sync_run(attempt.sync_run_id)
    except Rejected as exc:
        if exc.http_status == HTTPStatus.NOT_FOUND:
            _abandon(services, attempt, str(exc))
        else:
            _look_again(services, attempt, None, str(exc))
    except (Unavailable, BadArtifact) as exc:
        _look_again(services, attempt, None, str(exc))
    else:
        _take(services, attempt, run)


def _take(services: Services, attempt: Attempt, run: SyncRun) -> None:
    match run.outcome:
        case None:
            if run.has_unknown_status and run.status != attempt.status:
                log.warning("sync_run.status_unknown", status=run.status)
            _look_again(services, attempt, run.status, f"its status is {run.status!r}")
        case Outcome.SKIPPED:
            _wait_for_the_run_in_its_way(services, attempt, run)
        case outcome:
            _end(services, attempt, run, outcome)


def _look_again(services: Services, attempt: Attempt, status: str | None, last: str) -> None:
    now = services.clock()
    is_late = is_past_the_deadline(services, attempt.triggered_at, now)
    if is_late and (status is not None or _has_been_asked_in_vain(services, attempt)):
        _abandon(services, attempt, f"not ended within the deadline; {last}")
        return
    at = next_look(services, now)
    services.store.following.look_again(attempt, status, at=at)


def _has_been_asked_in_vain(services: Services, attempt: Attempt) -> bool:
    """Whether Census has had its time to answer: relay may have been down until the deadline."""
    settings = services.settings
    return attempt.faults * settings.follow_interval >= settings.retry_for


def _wait_for_the_run_in_its_way(services: Services, attempt: Attempt, run: SyncRun) -> None:
    """An earlier run was still going, so this one did nothing: its triggers wait once more."""
    now = services.clock()
    causes = services.store.following.causes(attempt.attempt_id)
    if any(is_past_the_deadline(services, cause.requested_at, now) for cause in causes):
        _abandon(services, attempt, "skipped, again and again, until the deadline")
    elif services.store.following.record_end(attempt, run, Outcome.SKIPPED, now=now):
        log.warning("sync_run.skipped", **dbt_runs(causes))


def _end(services: Services, attempt: Attempt, run: SyncRun, outcome: Outcome) -> None:
    now = services.clock()
    causes = services.store.following.causes(attempt.attempt_id)
    if not services.store.following.record_end(attempt, run, outcome, now=now):
        return
    tell = log.error if outcome is Outcome.FAILED else log.info
    tell(
        "sync_run.finished",
        outcome=outcome,
        records_processed=run.records_processed,
        records_updated=run.records_updated,
        records_failed=run.records_failed,
        records_invalid=run.records_invalid,
        seconds=round((now - (attempt.triggered_at or now)).total_seconds(), 1),
        **({"error_code": run.error_code} if run.error_code else {}),
        **dbt_runs(causes),
    )


def _abandon(services: Services, attempt: Attempt, problem: str) -> None:
    causes = services.store.following.causes(attempt.attempt_id)
    if services.store.following.record_abandoned(attempt, now=services.clock(), problem=problem):
        log.error("sync_run.abandoned", problem=problem, **dbt_runs(causes))
