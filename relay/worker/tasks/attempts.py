"""Starting a sync run: one for all waiting triggers, and no second one after a lost response.

The states of an attempt, each committed before the next step:

    begin      a row with the time of its POST; it shows other workers that one may be in progress.
               Not while the sync is held: the triggers then wait for the end of the hold.
    claim      the row is locked while the POST is sent and its result is recorded
    result     Started: the run is polled.  NotStarted: it is sent again after a backoff.
               Unconfirmed: it is reconciled after a backoff.  Refused: it has ended.
    reconcile  claimed again, to look for the run that the POST may have started.
               Found: the run is polled.  NotFound: it is sent again.

In a dry run nothing is sent: instead of an attempt, an end is recorded at once.
"""

from datetime import timedelta

from relay.errors import BadArtifact, Rejected, Unanswered, Unavailable, VendorError
from relay.logs import get_logger
from relay.store import (
    Attempt,
    ClaimedAttempt,
    Found,
    Hold,
    Mode,
    NotFound,
    NotStarted,
    Refused,
    Result,
    Started,
    Unconfirmed,
    Waiting,
)
from relay.sync_runs import Outcome
from relay.worker.backoff import next_try, retry_after_of
from relay.worker.services import Services
from relay.worker.tasks.lost_answers import run_started_by
from relay.worker.tasks.refusals import explained
from relay.worker.tasks.sync_runs import is_overdue, next_poll
from relay.worker.tasks.trigger_lines import log_held, log_triggered
from relay.worker.tasks.unsent import drop, is_disabled, is_lost, rehearse

log = get_logger()


def scheduled_start(services: Services, *, workspace: str, sync_id: int) -> None:
    """Queue `start_sync_run` now. A separate task, because a scheduled job must not hold a lock."""
    services.store.triggers.start_now(workspace, sync_id)


def start_sync_run(services: Services, *, workspace: str, sync_id: int) -> None:
    """Start a sync run for the waiting triggers, unless one is running."""
    attempt = services.store.attempts.unfinished(workspace, sync_id)
    if attempt is not None:
        _resume(services, attempt)
    elif not services.store.sync_runs.is_running(workspace, sync_id):
        _begin(services, workspace, sync_id)
    # Else a run is being polled; when it ends, the waiting triggers are started.


def start_failed(services: Services, problem: str, *, workspace: str, sync_id: int) -> None:
    """Count an unexpected error of `start_sync_run` as a failure of the sync's attempt.

    If there is no attempt yet, one is created to count the failure.
    """
    store, now = services.store, services.clock()
    attempt, was_sent = store.attempts.unfinished(workspace, sync_id), True
    if attempt is None:
        if store.sync_runs.is_running(workspace, sync_id):
            return
        begun = store.attempts.begin(workspace, sync_id, now=now, reconcile_after=now)
        attempt = begun if isinstance(begun, Attempt) else None
        was_sent = False
    if attempt is not None:
        _fail(
            services, attempt, problem, Unconfirmed if was_sent and attempt.sent_at else NotStarted
        )


def _fail(
    services: Services, attempt: Attempt, problem: str, kind: type[NotStarted | Unconfirmed]
) -> None:
    with services.store.attempts.claim(attempt) as claimed:
        if claimed is not None:
            left = attempt.reconcile_after - services.clock()
            result = _retried(services, attempt, problem, kind, at_least=left)
            claimed.record(result)
    if claimed is None:
        _try_later(services, attempt)
    else:
        _report(services, claimed, result)


def _begin(services: Services, workspace: str, sync_id: int) -> None:
    now, store = services.clock(), services.store
    waiting = store.triggers.waiting(workspace, sync_id, now=now)
    if waiting is None:
        return
    if waiting.dbt_run_ids and is_disabled(services, workspace, sync_id):
        drop(services, workspace, sync_id)
    elif waiting.some_of_dry_run or services.mode is Mode.DRY_RUN:
        rehearse(services, workspace, sync_id, waiting)
    else:
        _begin_for(services, workspace, sync_id, waiting)


def _begin_for(services: Services, workspace: str, sync_id: int, waiting: Waiting) -> None:
    now, settings, store = services.clock(), services.settings, services.store
    # After a skipped run: while another one is running, a new one would be skipped too.
    was_skipped = waiting.last_outcome == Outcome.SKIPPED
    is_blocked = (
        was_skipped
        and store.holds.open_on(workspace, sync_id, now=now) is None
        and _is_running(services, workspace, sync_id)
    )
    if is_blocked and not is_overdue(waiting.since, now, settings.follow_deadline):
        at = next_poll(now, settings.follow_interval)
        store.triggers.schedule_start(workspace, sync_id, at=at)
        return
    reconcile_after = now + _response_time_limit(services)
    attempt = store.attempts.begin(workspace, sync_id, now=now, reconcile_after=reconcile_after)
    match attempt:
        case Hold():
            log_held(attempt, waiting)
        case Attempt() if is_blocked:
            _refuse(
                services,
                attempt,
                "a run that relay did not start was still running at the deadline",
            )
        case Attempt():
            _send(services, attempt)


def _is_running(services: Services, workspace: str, sync_id: int) -> bool:
    try:
        runs, _ = services.census_clients.of(workspace).list_sync_runs(sync_id)
    except (VendorError, BadArtifact):
        return False  # triggering then fails too, and that failure is logged
    return any(run.outcome is None for run in runs)


def _resume(services: Services, attempt: Attempt) -> None:
    """Continue an attempt whose POST started nothing, got no response, or was interrupted."""
    if services.clock() < attempt.reconcile_after:
        # Also before its POST is sent again: triggers that come meanwhile do not end a backoff.
        services.store.triggers.schedule_start(
            attempt.workspace, attempt.sync_id, at=attempt.reconcile_after
        )
    elif attempt.sent_at is None:
        _send_again(services, attempt)
    else:
        _reconcile(services, attempt)


def _send(services: Services, attempt: Attempt) -> None:
    with services.store.attempts.claim(attempt) as claimed:
        if claimed is None:
            return  # another worker has changed it
        result = _post(services, attempt)
        claimed.record(result)
    _report(services, claimed, result)


def _refuse(services: Services, attempt: Attempt, problem: str) -> None:
    with services.store.attempts.claim(attempt) as claimed:
        if claimed is None:
            return
        result = Refused(problem=problem, at=services.clock())
        claimed.record(result)
    _report(services, claimed, result)


def _reconcile(services: Services, attempt: Attempt) -> None:
    with services.store.attempts.claim(attempt) as claimed:
        if claimed is not None:
            result = _find_its_run(services, claimed)
            claimed.record(result)
    if claimed is None:
        _try_later(services, attempt)
    else:
        _report(services, claimed, result)


def _try_later(services: Services, attempt: Attempt) -> None:
    """Try later: another worker holds the attempt, and may only be slow."""
    at = services.clock() + _response_time_limit(services)
    services.store.triggers.schedule_start(attempt.workspace, attempt.sync_id, at=at)


def _send_again(services: Services, attempt: Attempt) -> None:
    """Send the POST of an attempt that has certainly started no run once more.

    If the sync is held or disabled meanwhile, or in a dry run, its triggers wait as if there was no
    attempt.
    """
    if services.mode is Mode.DRY_RUN or is_lost(services, attempt):
        services.store.attempts.withdraw(attempt)
        return
    now = services.clock()
    reconcile_after = now + _response_time_limit(services)
    again = services.store.attempts.send_again(attempt, now=now, reconcile_after=reconcile_after)
    if again is not None:
        _send(services, again)


def _report(services: Services, claimed: ClaimedAttempt, result: Result) -> None:
    """Log a committed attempt's result, or take its next step."""
    match result:
        case Found():
            log.warning("sync.trigger_recovered", sync_run_id=result.sync_run_id)
            log_triggered(result.sync_run_id, claimed.causes)
        case Started():
            log_triggered(result.sync_run_id, claimed.causes)
        case NotStarted() | Unconfirmed():
            log.warning("sync.trigger_retried", problem=result.problem, again_at=result.again_at)
        case Refused():
            log.error(
                "sync.trigger_failed",
                problem=explained(services, claimed.attempt, result),
                dbt_run_id=claimed.causes.newest_dbt_run_id,
                dbt_run_ids=claimed.causes.dbt_run_ids,
            )
        case NotFound():
            _send_again(services, claimed.attempt)


def _post(services: Services, attempt: Attempt) -> Result:
    """Ask Census to start a run. If this process dies here, another one reconciles."""
    try:
        census = services.census_clients.of(attempt.workspace)
        sync_run_id = census.trigger_sync(attempt.sync_id, full_sync=attempt.full_sync)
    except Rejected as exc:
        return Refused(problem=str(exc), at=services.clock(), http_status=exc.http_status)
    except Unavailable as exc:
        return _retried(services, attempt, str(exc), NotStarted, retry_after=retry_after_of(exc))
    except Unanswered as exc:
        # Census may still be processing it, even if a gateway responded instead.
        time_limit = _response_time_limit(services)
        return _retried(services, attempt, str(exc), Unconfirmed, at_least=time_limit)
    now = services.clock()
    poll_at = next_poll(now, services.settings.follow_interval)
    return Started(sync_run_id=sync_run_id, at=now, poll_at=poll_at)


def _find_its_run(services: Services, claimed: ClaimedAttempt) -> Result:
    """Ask Census for the run that the attempt's POST may have started."""
    try:
        run = run_started_by(services, claimed)
    except (VendorError, BadArtifact) as exc:
        # A refusal of this request too: it does not say whether the POST started a run.
        retry_after = retry_after_of(exc)
        return _retried(services, claimed.attempt, str(exc), Unconfirmed, retry_after=retry_after)
    if run is None:
        return NotFound()
    now = services.clock()
    poll_at = next_poll(now, services.settings.follow_interval)
    return Found(sync_run_id=run.sync_run_id, at=now, poll_at=poll_at)


def _retried(
    services: Services,
    attempt: Attempt,
    problem: str,
    result: type[NotStarted | Unconfirmed],
    *,
    retry_after: float | None = None,
    at_least: timedelta = timedelta(),
) -> NotStarted | Unconfirmed | Refused:
    """This result, with a backoff; Refused if the retries are exhausted."""
    now = services.clock()
    backoff = next_try(
        attempt.failures,
        attempt.backoff_spent,
        retry_for=services.settings.retry_for,
        retry_after=retry_after,
    )
    if backoff is None:
        return Refused(problem=problem, at=now)
    return result(problem=problem, at=now, backoff=max(backoff, at_least))


def _response_time_limit(services: Services) -> timedelta:
    """How long a POST may still start a run: twice RELAY_HTTP_TIMEOUT, a minute by default.

    According to Census's own clients, its server stops after 60 seconds.
    """
    return timedelta(seconds=2 * services.settings.http_timeout)
