"""A sync: start one run for all that waits, and never a second one for want of an answer."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

from relay.errors import BadArtifact, Rejected, Unanswered, Unavailable, VendorError
from relay.logs import get_logger
from relay.store import Attempt, Held
from relay.sync_runs import Outcome, SyncRun
from relay.worker.backoff import pause
from relay.worker.services import Services
from relay.worker.tasks.telling import because, dbt_runs, is_past_the_deadline, next_look, through

CLOCK_SLACK = timedelta(seconds=2)  # Census's Date header counts in whole seconds

# What follows once the transaction is committed: a line in the log, or the next step.
Afterwards = Callable[[], object]

log = get_logger()


def wake_sync(services: Services, *, workspace: str, sync_id: int) -> None:
    """Have `run_sync` run now: a waiting job holds no lock, that one holds the sync's."""
    services.store.attempts.wake(workspace, sync_id)


def run_sync(services: Services, *, workspace: str, sync_id: int) -> None:
    """Start a sync run for the triggers that wait, unless one is going."""
    attempts = services.store.attempts
    attempt = attempts.open(workspace, sync_id)
    if attempt is None:
        _begin(services, workspace, sync_id)
    elif attempt.sync_run_id is None:
        _finish_what_was_begun(services, attempt)
    elif not attempts.is_open(attempt):
        _begin(services, workspace, sync_id)
    # Else a run is being followed: its end brings what waits.


def _begin(services: Services, workspace: str, sync_id: int) -> None:
    now = services.clock()
    attempts = services.store.attempts
    waiting = attempts.waiting(workspace, sync_id, now=now)
    if waiting is None:
        return
    # After a run that was skipped: triggering while another one goes would only be skipped again.
    waits_for_another = waiting.after == Outcome.SKIPPED and _is_going(services, workspace, sync_id)
    if waits_for_another and not is_past_the_deadline(services, waiting.since, now):
        attempts.come_back(workspace, sync_id, at=next_look(services, now))
        return
    look_from = now + _time_for_an_answer(services)
    attempt = attempts.begin(workspace, sync_id, now=now, look_from=look_from)
    if attempt is None:
        return
    if waits_for_another:
        problem = "a run that relay did not start went on until the deadline"
        _held(services, attempt, partial(_refuse, services, problem))
    else:
        _held(services, attempt, partial(_trigger, services))


def _is_going(services: Services, workspace: str, sync_id: int) -> bool:
    try:
        runs, _ = services.censuses.of(workspace).list_sync_runs(sync_id)
    except (VendorError, BadArtifact):
        return False  # triggering will tell what is wrong, and says so where it is seen
    return any(run.outcome is None for run in runs)


def _finish_what_was_begun(services: Services, attempt: Attempt) -> None:
    """An attempt without a run: its POST was refused for now, went unanswered, or was cut off."""
    now = services.clock()
    if attempt.sent_at is None:
        _send_again(services, attempt)
    elif attempt.look_from is not None and now < attempt.look_from:
        services.store.attempts.come_back(attempt.workspace, attempt.sync_id, at=attempt.look_from)
    else:
        _look_for_its_run(services, attempt)


def _look_for_its_run(services: Services, attempt: Attempt) -> None:
    if not _held(services, attempt, partial(_look, services)):
        # Another worker is at it: it may only be slow, and about to send.
        at = services.clock() + _time_for_an_answer(services)
        services.store.attempts.come_back(attempt.workspace, attempt.sync_id, at=at)


def _look(services: Services, held: Held) -> Afterwards:
    try:
        found = _run_begun_by(services, held)
    except (VendorError, BadArtifact) as exc:
        # Also where Census refuses to tell: nobody knows what became of the POST.
        return _later_or_refuse(services, held, exc, held.look_before_sending)
    if found is None:
        return partial(_send_again, services, held.attempt)
    return _recover(services, held, found)


def _run_begun_by(services: Services, held: Held) -> SyncRun | None:
    """The run that the attempt's POST started, though its answer never came; None if none did.

    A run that began since, and that relay does not know, is that one; or it is somebody
    else's and reads the rebuilt models just as well. Times are compared on Census's clock.
    """
    attempt = held.attempt
    runs, vendor_now = services.censuses.of(attempt.workspace).list_sync_runs(attempt.sync_id)
    known = held.known_sync_run_ids
    skew = vendor_now - services.clock() if vendor_now else timedelta()
    begun_at = attempt.begun_at + skew - CLOCK_SLACK
    since = [
        run
        for run in runs
        if run.sync_run_id not in known and run.created_at and run.created_at >= begun_at
    ]
    return min(since, key=lambda run: run.sync_run_id, default=None)


def _send_again(services: Services, attempt: Attempt) -> None:
    now = services.clock()
    look_from = now + _time_for_an_answer(services)
    again = services.store.attempts.send_again(attempt, now=now, look_from=look_from)
    if again is not None:
        _held(services, again, partial(_trigger, services))


def _held(services: Services, attempt: Attempt, do: Callable[[Held], Afterwards]) -> bool:
    """Do something to an attempt, commit, and do what follows. False if it is not free."""
    with services.store.attempts.hold(attempt) as held:
        afterwards = do(held) if held else None
    if afterwards is None:
        return False
    afterwards()
    return True


def _trigger(services: Services, held: Held) -> Afterwards:
    """POST. That it is sent is committed: if this process dies here, another one looks first."""
    attempt = held.attempt
    try:
        census = services.censuses.of(attempt.workspace)
        sync_run_id = census.trigger_sync(attempt.sync_id, full_sync=attempt.full_sync)
    except Rejected as exc:
        return _refuse(services, str(exc), held)
    except Unavailable as exc:
        return _later_or_refuse(services, held, exc, held.send_later)
    except Unanswered as exc:
        return _later_or_refuse(services, held, exc, held.look_before_sending)
    return _record_triggered(services, held, sync_run_id)


def _recover(services: Services, held: Held, found: SyncRun) -> Afterwards:
    tell_triggered = _record_triggered(services, held, found.sync_run_id)

    def tell() -> None:
        log.warning("sync.trigger_recovered", sync_run_id=found.sync_run_id)
        tell_triggered()

    return tell


def _record_triggered(services: Services, held: Held, sync_run_id: int) -> Afterwards:
    now = services.clock()
    held.record_triggered(sync_run_id, now=now, look_at=next_look(services, now))
    causes = held.causes
    behind = through(causes)
    return partial(
        log.info,
        "sync.triggered",
        sync_run_id=sync_run_id,
        because=because(causes),
        **({"through": behind} if behind else {}),
        **dbt_runs(causes),
    )


def _later_or_refuse(
    services: Services,
    held: Held,
    exc: VendorError | BadArtifact,
    do_later: Callable[..., None],
) -> Afterwards:
    # Only pauses count: while no worker ran, nobody tried.
    if held.attempt.paused >= services.settings.retry_for:
        return _refuse(services, str(exc), held)
    now = services.clock()
    wait = pause(held.attempt.faults + 1, retry_after=getattr(exc, "retry_after", None))
    if isinstance(exc, Unanswered):
        # Census may still be at work on it, also where a gateway has answered in its place.
        wait = max(wait, _time_for_an_answer(services))
    do_later(now=now, pause=wait, problem=str(exc))
    return partial(log.warning, "sync.trigger_retried", problem=str(exc), again_at=now + wait)


def _refuse(services: Services, problem: str, held: Held) -> Afterwards:
    causes = held.causes
    held.record_refused(now=services.clock(), problem=problem)
    return partial(log.error, "sync.trigger_failed", problem=problem, **dbt_runs(causes))


def _time_for_an_answer(services: Services) -> timedelta:
    """How long a POST may still start a run: twice our own patience, a minute by default.

    Census's own clients say that its server stops at 60 seconds.
    """
    return timedelta(seconds=2 * services.settings.http_timeout)
