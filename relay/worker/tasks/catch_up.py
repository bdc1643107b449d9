"""Catch-up: find runs whose webhook was missed in dbt Cloud's list, and report likely causes."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from relay.dbt.runs import FinishedRun
from relay.dbt.subscriptions import problems_of
from relay.errors import BadArtifact, Rejected, VendorError
from relay.logs import get_logger
from relay.store.observations import WEBHOOK_SILENT, WEBHOOK_SUBSCRIPTION
from relay.worker.services import Services

MAX_AGE = timedelta(days=7)
# The webhook arrives a while after the run's end, and dbt Cloud's list may show a run late.
WEBHOOK_DELAY = timedelta(minutes=1)
OVERLAP = timedelta(minutes=10)
SPAN = timedelta(hours=1)  # of the list, read and recorded at once; later errors do not undo it

log = get_logger()


def catch_up(services: Services) -> None:
    """Record the finished runs of mapped jobs whose webhook was missed."""
    dbt_account_id = services.dbt_cloud.dbt_account_id
    progress = services.store.catch_ups.progress(dbt_account_id)
    if progress is None:
        return
    services.mapping.refresh()
    now = services.clock()
    since = max(progress.first_started_at, progress.read_until - OVERLAP, now - MAX_AGE)
    try:
        missed = [
            run
            for begin, end in _spans(since, now - WEBHOOK_DELAY)
            for run in _record_missed(services, begin, end)
        ]
        _warn_if_silent(services, missed)
        _warn_of_webhook_problems(services)
    except (VendorError, BadArtifact) as exc:
        log.warning("catch_up.failed", problem=str(exc))


def _spans(since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    while since < until:
        yield since, min(since + SPAN, until)
        since += SPAN


def _record_missed(services: Services, since: datetime, until: datetime) -> tuple[FinishedRun, ...]:
    dbt_account_id = services.dbt_cloud.dbt_account_id
    mapped = services.mapping.current.dbt_job_ids
    runs = [
        run
        for run in services.dbt_cloud.list_finished_runs(since=since, until=until)
        if mapped is None or run.dbt_job_id in mapped
    ]
    missed = services.store.catch_ups.record_missed(dbt_account_id, runs, read_until=until)
    for run in missed:
        log.info(
            "dbt_run.caught_up",
            dbt_account_id=dbt_account_id,
            dbt_run_id=run.dbt_run_id,
            dbt_job_id=run.dbt_job_id,
            finished_at=run.finished_at,
        )
    return missed


def _warn_if_silent(services: Services, missed: list[FinishedRun]) -> None:
    """Warn if no delivery at all has arrived since the first missed run.

    It is over when a delivery arrives that is not the last one before the silence.
    """
    last_delivery = services.store.deliveries.last_received_at()
    silence = _describe_silence(last_delivery)
    if missed and (last_delivery is None or last_delivery < missed[0].finished_at):
        log.warning("webhook.silent", last_delivery_at=last_delivery, missed=len(missed))
        _observe(services, WEBHOOK_SILENT, 1, silence)
        return
    before = services.store.observations.get(WEBHOOK_SILENT)
    is_over = last_delivery is not None and before is not None and before.detail != silence
    if before is None or is_over:
        _observe(services, WEBHOOK_SILENT, 0, "")


def _describe_silence(last_delivery: datetime | None) -> str:
    return "no delivery yet" if last_delivery is None else f"no delivery since {last_delivery}"


def _warn_of_webhook_problems(services: Services) -> None:
    try:
        subscriptions = services.dbt_cloud.list_webhook_subscriptions()
    except Rejected as exc:
        # The token does not need this permission.
        log.info("webhook.not_readable", problem=str(exc))
        services.store.observations.forget(WEBHOOK_SUBSCRIPTION)
        return
    mapped = services.mapping.current.dbt_job_ids
    problems = problems_of(subscriptions, mapped_job_ids=mapped)
    for problem in problems:
        log.warning("webhook.unwell", problem=problem)
    _observe(services, WEBHOOK_SUBSCRIPTION, float(not problems), "; ".join(problems))


def _observe(services: Services, name: str, value: float, detail: str) -> None:
    services.store.observations.record(name, "", value, detail, services.clock())
