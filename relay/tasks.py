"""The story, one short task a step: relay_run, run_sync, look_at_sync_run.

A task loads its row, looks whether there is still something to do, does one step, and
commits its result together with the next job. A repeated job finds nothing to do. No task
waits: waiting is a job scheduled for later.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from http import HTTPStatus

from structlog.contextvars import bind_contextvars

from relay.dbt.artifacts import Standing
from relay.decision.plan import Plan, decide
from relay.errors import (
    BadArtifact,
    Rejected,
    RelayError,
    Unanswered,
    Unavailable,
    VendorError,
)
from relay.examine import Examined, counted
from relay.logs import get_logger
from relay.services import Services
from relay.store import Attempt, Cause, RecordedRun
from relay.sync_runs import Outcome, SyncRun

LONGEST_PAUSE = timedelta(minutes=5)
SHORTEST_PAUSE = timedelta(seconds=1)
CLOCK_SLACK = timedelta(seconds=2)  # Census's Date header counts in whole seconds

log = get_logger()


# A dbt run: find out, decide, and make a trigger of each decision to trigger


def relay_run(services: Services, *, dbt_account_id: int, dbt_run_id: int) -> None:
    """Find out what a recorded dbt run rebuilt, decide, and record the decisions."""
    recorded = services.store.dbt_runs.get(dbt_account_id, dbt_run_id)
    if recorded is None or recorded.is_done:
        return
    bind_contextvars(event_id=recorded.event_id)
    services.mapping.refresh()
    mapping, examiner = services.mapping.current, services.examiner
    try:
        examined = examiner.examine(dbt_run_id)
        run, rebuilt = examined.run, examined.rebuilt
        with examiner.lineage(examined, mapping, now=services.clock()) as lineage:
            now = services.clock()
            plan = services.store.dbt_runs.record_plan(
                run,
                mapping,
                lambda history: decide(run, rebuilt, mapping, lineage, history, now=now),
                now=now,
            )
    except (VendorError, BadArtifact) as exc:
        # A refusal too: a token that is being replaced must not cost the night's syncs.
        _examine_again_or_give_up(services, recorded, exc)
    else:
        if plan is not None:
            _tell_what_was_decided(examined, plan)


def _examine_again_or_give_up(
    services: Services, recorded: RecordedRun, exc: VendorError | BadArtifact
) -> None:
    now = services.clock()
    failing_since = recorded.failing_since or now
    if now - failing_since >= timedelta(seconds=services.settings.retry_for):
        _give_up(services, recorded, str(exc))
        return
    at = now + _pause(failing_since, now, exc)
    services.store.dbt_runs.examine_again(recorded, at=at, now=now, problem=str(exc))
    log.warning("dbt_run.retried", problem=str(exc), again_at=at)


def _give_up(services: Services, recorded: RecordedRun, problem: str) -> None:
    services.store.dbt_runs.give_up(recorded, now=services.clock(), problem=problem)
    log.error("dbt_run.given_up", problem=problem)


def _tell_what_was_decided(examined: Examined, plan: Plan) -> None:
    run, rebuilt = examined.run, examined.rebuilt
    for status, unique_id in rebuilt.unknown.items():
        log.warning("dbt_run.status_unknown", status=status, node=unique_id)
    log.info(
        "dbt_run.examined",
        dbt_job_id=run.dbt_job_id,
        rebuilt=counted(rebuilt, Standing.REBUILT),
        failed=counted(rebuilt, Standing.FAILED, Standing.SKIPPED, Standing.PARTIAL),
        steps=len(run.steps),
        **({"retries": [each.dbt_run_id for each in run.earlier]} if run.earlier else {}),
        **({"never_counts": run.never_counts_because} if run.never_counts_because else {}),
    )
    for held in plan.withheld:
        through = plan.through(held.models)
        log.info(
            "sync.withheld",
            workspace=held.sync.workspace,
            sync_id=held.sync.sync_id,
            reason=held.reason,
            models=list(held.models),
            **({"through": through} if through else {}),
            **({"until": held.until} if held.until else {}),
        )
    log.info(
        "dbt_run.planned",
        triggers=[trigger.sync.sync_id for trigger in plan.triggers],
        withheld=[held.sync.sync_id for held in plan.withheld],
    )


# A sync: start one run for all that waits


def wake_sync(services: Services, *, workspace: str, sync_id: int) -> None:
    """Have `run_sync` run now: a waiting job holds no lock, that one holds the sync's."""
    services.store.attempts.wake(workspace, sync_id)


def run_sync(services: Services, *, workspace: str, sync_id: int) -> None:
    """Start a sync run for the triggers that wait, unless one is going."""
    attempt = services.store.attempts.open(workspace, sync_id)
    if attempt is None:
        _begin(services, workspace, sync_id)
    elif attempt.sync_run_id is None:
        _finish_what_was_begun(services, attempt)
    # Else a run is being followed: its end brings what waits.


def _begin(services: Services, workspace: str, sync_id: int) -> None:
    now = services.clock()
    attempts = services.store.attempts
    waiting_since = attempts.waiting_since(workspace, sync_id, now=now)
    if waiting_since is None:
        return
    # After a run that was skipped: triggering while another one goes would only be skipped again.
    waits_for_another = attempts.last_outcome(workspace, sync_id) is Outcome.SKIPPED and _is_going(
        services, workspace, sync_id
    )
    is_late = _is_past_the_deadline(services, waiting_since, now)
    if waits_for_another and not is_late:
        at = now + _seconds(services.settings.follow_interval)
        attempts.come_back(workspace, sync_id, at=at)
        return
    look_from = now + _time_for_an_answer(services)
    attempt = attempts.begin(workspace, sync_id, now=now, look_from=look_from)
    if attempt is None:
        return
    if waits_for_another:
        _refuse(services, attempt, "a run that relay did not start went on until the deadline")
    else:
        _trigger(services, attempt)


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
    try:
        found = _run_begun_by(services, attempt)
    except Rejected as exc:
        _refuse(services, attempt, str(exc))
    except (Unavailable, BadArtifact) as exc:
        _later_or_refuse(services, attempt, exc, services.store.attempts.look_before_sending)
    else:
        if found is None:
            _send_again(services, attempt)
        else:
            log.warning("sync.trigger_recovered", sync_run_id=found.sync_run_id)
            _record_triggered(services, attempt, found.sync_run_id)


def _run_begun_by(services: Services, attempt: Attempt) -> SyncRun | None:
    """The run that the attempt's POST started, though its answer never came; None if none did.

    A run that began since, and that relay does not know, is that one; or it is somebody
    else's and reads the rebuilt models just as well. Times are compared on Census's clock.
    """
    runs, vendor_now = services.censuses.of(attempt.workspace).list_sync_runs(attempt.sync_id)
    known = services.store.attempts.known_sync_run_ids(attempt.workspace, attempt.sync_id)
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
    services.store.attempts.send_again(attempt, now=now, look_from=look_from)
    _trigger(services, attempt)


def _trigger(services: Services, attempt: Attempt) -> None:
    """POST. The attempt is committed: if this process dies here, another one looks first."""
    try:
        census = services.censuses.of(attempt.workspace)
        sync_run_id = census.trigger_sync(attempt.sync_id, full_sync=attempt.full_sync)
    except Rejected as exc:
        _refuse(services, attempt, str(exc))
    except Unavailable as exc:
        _later_or_refuse(services, attempt, exc, services.store.attempts.send_later)
    except Unanswered as exc:
        _later_or_refuse(services, attempt, exc, services.store.attempts.look_before_sending)
    else:
        _record_triggered(services, attempt, sync_run_id)


def _record_triggered(services: Services, attempt: Attempt, sync_run_id: int) -> None:
    now = services.clock()
    look_at = now + _seconds(services.settings.follow_interval)
    if services.store.attempts.record_triggered(attempt, sync_run_id, now=now, look_at=look_at):
        causes = services.store.attempts.causes(attempt.attempt_id)
        through = _through(causes)
        log.info(
            "sync.triggered",
            sync_run_id=sync_run_id,
            because=sorted({model for cause in causes for model in cause.because}),
            **({"through": through} if through else {}),
            **_dbt_runs(causes),
        )


def _later_or_refuse(
    services: Services,
    attempt: Attempt,
    exc: Unavailable | Unanswered | BadArtifact,
    do_later: Callable[..., None],
) -> None:
    now = services.clock()
    if now - attempt.begun_at >= _seconds(services.settings.retry_for):
        _refuse(services, attempt, str(exc))
        return
    at = now + _pause(attempt.begun_at, now, exc)
    if isinstance(exc, Unanswered) and exc.http_status is None:
        # Census may still be at work on a request whose answer we no longer hear.
        at = max(at, now + _time_for_an_answer(services))
    do_later(attempt, at=at, problem=str(exc))
    log.warning("sync.trigger_retried", problem=str(exc), again_at=at)


def _refuse(services: Services, attempt: Attempt, problem: str) -> None:
    causes = services.store.attempts.causes(attempt.attempt_id)
    services.store.attempts.record_refused(attempt, now=services.clock(), problem=problem)
    log.error("sync.trigger_failed", problem=problem, **_dbt_runs(causes))


# A sync run: follow it to its end


def look_at_sync_run(services: Services, *, attempt_id: int, looks: int) -> None:
    """Ask Census how a run goes; `looks` tells a repeated job that it is late."""
    attempt = services.store.attempts.get(attempt_id)
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
            if run.says_an_unknown_word and run.status != attempt.status:
                log.warning("sync_run.status_unknown", status=run.status)
            _look_again(services, attempt, run.status, f"its status is {run.status!r}")
        case Outcome.SKIPPED:
            _wait_for_the_run_in_its_way(services, attempt, run)
        case outcome:
            _end(services, attempt, run, outcome)


def _look_again(services: Services, attempt: Attempt, status: str | None, last: str) -> None:
    now = services.clock()
    if _is_past_the_deadline(services, attempt.triggered_at, now):
        _abandon(services, attempt, f"not ended within the deadline; {last}")
        return
    at = now + _seconds(services.settings.follow_interval)
    services.store.attempts.look_again(attempt, status, at=at)


def _wait_for_the_run_in_its_way(services: Services, attempt: Attempt, run: SyncRun) -> None:
    """An earlier run was still going, so this one did nothing: its triggers wait once more."""
    now = services.clock()
    causes = services.store.attempts.causes(attempt.attempt_id)
    if any(_is_past_the_deadline(services, cause.requested_at, now) for cause in causes):
        _abandon(services, attempt, "skipped, again and again, until the deadline")
    elif services.store.attempts.record_skipped(attempt, run, now=now, at=now):
        log.warning("sync_run.skipped", **_dbt_runs(causes))


def _end(services: Services, attempt: Attempt, run: SyncRun, outcome: Outcome) -> None:
    now = services.clock()
    causes = services.store.attempts.causes(attempt.attempt_id)
    if not services.store.attempts.record_end(attempt, run, outcome, now=now):
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
        **_dbt_runs(causes),
    )


def _abandon(services: Services, attempt: Attempt, problem: str) -> None:
    causes = services.store.attempts.causes(attempt.attempt_id)
    if services.store.attempts.record_abandoned(attempt, now=services.clock(), problem=problem):
        log.error("sync_run.abandoned", problem=problem, **_dbt_runs(causes))


# Words and times they share


def _through(causes: tuple[Cause, ...]) -> dict[str, list[str]]:
    """The views that an attempt answers, and what was rebuilt behind each."""
    behind: dict[str, set[str]] = {}
    for cause in causes:
        for view, nodes in cause.through.items():
            behind.setdefault(view, set()).update(nodes)
    return {view: sorted(behind[view]) for view in sorted(behind)}


def _dbt_runs(causes: tuple[Cause, ...]) -> dict[str, object]:
    """The newest dbt run behind an attempt, and all of them."""
    dbt_run_ids = [cause.dbt_run_id for cause in causes]
    return {"dbt_run_id": max(dbt_run_ids, default=None), "dbt_run_ids": dbt_run_ids}


def _is_past_the_deadline(services: Services, since: datetime | None, now: datetime) -> bool:
    return since is None or now - since >= _seconds(services.settings.follow_deadline)


def _pause(since: datetime, now: datetime, exc: RelayError) -> timedelta:
    """As long again as it has been going wrong, or as long as the vendor asks."""
    asked = _seconds(getattr(exc, "retry_after", None) or 0)
    return max(asked, min(max(now - since, SHORTEST_PAUSE), LONGEST_PAUSE))


def _time_for_an_answer(services: Services) -> timedelta:
    """How long a POST may still start a run: twice our own patience, a minute by default.

    Census's own clients say that its server stops at 60 seconds.
    """
    return _seconds(2 * services.settings.http_timeout)


def _seconds(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)
