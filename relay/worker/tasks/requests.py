"""Answering what a page has asked: what needs a vendor."""

import uuid
from collections.abc import Callable

from relay.decision.gates import Reason
from relay.errors import DatabaseUnavailable, NotReadable, RelayError, Unanswered, Unavailable
from relay.logs import get_logger, redact
from relay.notation import short_message
from relay.operations.check import check
from relay.operations.check_online import check_online
from relay.operations.plan import Planned, PlannedSync, plan_with
from relay.store import Redo
from relay.store.answers import (
    MOST_DECISIONS,
    Answer,
    CancelAnswer,
    CheckAnswer,
    PlanAnswer,
    PlannedDecision,
    Texts,
    first_models,
)
from relay.store.requests import Request, RequestKind, RunToCancel
from relay.sync_runs import SyncRun
from relay.worker.backoff import next_try, retry_after_of
from relay.worker.services import Services
from relay.workspaces import SyncKey

log = get_logger()


def answer_request(services: Services, *, request_id: str) -> None:
    """Answer a request, unless it has its answer; a vendor's fault is retried."""
    asked = services.store.requests.begin(uuid.UUID(request_id), now=services.clock())
    if asked is None:
        return
    try:
        answer = _ANSWERS[asked.what](services, asked)
    except (Unavailable, Unanswered) as exc:
        _retry(services, asked, str(exc), retry_after_of(exc))
    except DatabaseUnavailable:
        raise
    except RelayError as exc:
        _fail(services, asked, str(exc))
    else:
        now = services.clock()
        services.store.requests.answer(asked.request_id, answer, now=now)
        seconds = round((now - asked.asked_at).total_seconds(), 1)
        log.info("request.answered", **_named(asked), seconds=seconds)


def request_failed(services: Services, problem: str, *, request_id: str) -> None:
    """Count an unexpected error of `answer_request` as a failure to answer."""
    asked = services.store.requests.get(uuid.UUID(request_id))
    if asked is not None and asked.answered_at is None:
        _retry(services, asked, problem, None)


def _retry(services: Services, asked: Request, problem: str, retry_after: float | None) -> None:
    backoff = next_try(
        asked.failures,
        asked.backoff_spent,
        retry_for=services.settings.retry_for,
        retry_after=retry_after,
    )
    if backoff is None:
        _fail(services, asked, problem)
        return
    now, shown = services.clock(), _shown(problem)
    services.store.requests.retry(asked.request_id, shown, backoff, now=now)
    log.warning("request.retried", **_named(asked), problem=shown, again_at=now + backoff)


def _fail(services: Services, asked: Request, problem: str) -> None:
    shown = _shown(problem)
    services.store.requests.fail(asked.request_id, shown, now=services.clock())
    log.warning("request.failed", **_named(asked), problem=shown)


def _shown(problem: str) -> str:
    return short_message(redact(problem))


def _named(asked: Request) -> dict[str, str]:
    return {"request_id": str(asked.request_id), "what": asked.what, "who": asked.who}


def _plan(services: Services, asked: Request) -> PlanAnswer:
    dbt_run_id = asked.arguments.dbt_run_id
    assert dbt_run_id is not None
    services.mapping.refresh()
    planned = plan_with(
        services.store,
        services.collector,
        services.settings,
        services.mapping.current,
        dbt_run_id,
        now=services.clock(),
    )
    account = services.settings.dbt_account_id
    alone = services.store.replays.left_alone(account, dbt_run_id, Redo.NOTHING)
    return _as_answer(planned, frozenset((sync.workspace, sync.sync_id) for sync in alone))


def _as_answer(planned: Planned, triggered: frozenset[SyncKey]) -> PlanAnswer:
    shown = planned.verdicts[:MOST_DECISIONS]
    problem = [planned.problem] if planned.problem else []
    return PlanAnswer(
        dbt_run_id=planned.dbt_run_id,
        never_counts=planned.never_counts,
        rebuilt=len(planned.rebuilt),
        failed=len(planned.failed),
        decisions=tuple(_decision(sync, triggered) for sync in shown),
        more_decisions=len(planned.verdicts) - len(shown),
        notes=Texts.of((*problem, *planned.warnings, *planned.unclear.texts)),
    )


def _decision(sync: PlannedSync, triggered: frozenset[SyncKey]) -> PlannedDecision:
    models, more_models = first_models(sync.models)
    word, until = "withhold", sync.until
    if (sync.workspace, sync.sync_id) in triggered:
        word = "triggered already"
    elif sync.reason is Reason.REBUILT:
        word, until = ("trigger", None) if sync.hold is None else ("held", sync.hold.until)
    return PlannedDecision(
        workspace=sync.workspace,
        sync_id=sync.sync_id,
        decision=word,
        reason=sync.reason,
        models=models,
        more_models=more_models,
        until=until,
    )


def _check(services: Services, _: Request) -> CheckAnswer:
    settings = services.settings
    offline = check(None, None, environment=settings.environment)
    report = check_online(offline, settings, None, None, _say_nothing)
    return CheckAnswer(
        syncs=report.syncs,
        problems=Texts.of(map(redact, report.problems)),
        warnings=Texts.of(map(redact, report.warnings)),
        not_checked=Texts.of(map(redact, report.not_checked)),
        notes=Texts.of(map(redact, report.notes)),
    )


def _say_nothing(_text: str) -> None:
    """A worker shows no progress."""


def _cancel(services: Services, asked: Request) -> CancelAnswer:
    attempt_id = asked.arguments.attempt_id
    assert attempt_id is not None
    run = services.store.requests.run_to_cancel(attempt_id)
    if run is None or run.sync_run_id is None:
        return CancelAnswer(says="There is no such sync run any more: nothing was cancelled.")
    if run.outcome is not None:
        return CancelAnswer(says=f"It had ended before: {run.outcome}.")
    seen = _seen(services, run, run.sync_run_id)
    if seen is not None and seen.outcome is not None:
        return CancelAnswer(says=f"It has ended: {seen.outcome}.")
    services.census_clients.management_of(run.workspace).cancel_sync_run(run.sync_run_id)
    return CancelAnswer(says="Census has cancelled it.")


def _seen(services: Services, run: RunToCancel, sync_run_id: int) -> SyncRun | None:
    """The run as Census has it: after an answer that was lost, it may be cancelled already."""
    try:
        return services.census_clients.of(run.workspace).get_sync_run(sync_run_id)
    except NotReadable:
        return None


_ANSWERS: dict[RequestKind, Callable[[Services, Request], Answer]] = {
    RequestKind.PLAN: _plan,
    RequestKind.CHECK: _check,
    RequestKind.CANCEL: _cancel,
}
