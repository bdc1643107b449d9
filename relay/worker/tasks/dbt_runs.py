"""A dbt run: find out what it rebuilt, decide, and make a trigger of each decision to trigger."""

from structlog.contextvars import bind_contextvars

from relay.dbt.artifacts import Standing
from relay.decision.plan import Case, Plan
from relay.errors import BadArtifact, VendorError
from relay.evidence.examine import Examined, counted
from relay.logs import get_logger
from relay.store import RecordedRun
from relay.worker.backoff import next_try, retry_after_of
from relay.worker.services import Services

log = get_logger()


def evaluate_dbt_run(services: Services, *, dbt_account_id: int, dbt_run_id: int) -> None:
    """Find out what a recorded dbt run rebuilt, decide, and record the decisions."""
    recorded = services.store.dbt_runs.get(dbt_account_id, dbt_run_id)
    if recorded is None or recorded.is_done:
        return
    bind_contextvars(event_id=recorded.event_id)
    services.mapping.refresh()
    mapping, examiner = services.mapping.current, services.examiner
    try:
        examined = examiner.examine(dbt_run_id)
        with examiner.lineage(examined, mapping, now=services.clock()) as lineage:
            now = services.clock()
            case = Case(examined.run, examined.rebuilt, mapping, lineage, now=now)
            plan = services.store.dbt_runs.record_plan(
                examined.run, mapping, case.looks_back_at, case.decide, now=now
            )
    except (VendorError, BadArtifact) as exc:
        # A refusal too: a token that is being replaced must not cost the night's syncs.
        _evaluate_again_or_give_up(services, recorded, exc)
    else:
        if plan is not None:
            _tell_what_was_decided(examined, plan)


def _evaluate_again_or_give_up(
    services: Services, recorded: RecordedRun, exc: VendorError | BadArtifact
) -> None:
    backoff = next_try(
        recorded.failures,
        recorded.backoff_spent,
        retry_for=services.settings.retry_for,
        retry_after=retry_after_of(exc),
    )
    if backoff is None:
        _give_up(services, recorded, str(exc))
        return
    now = services.clock()
    services.store.dbt_runs.evaluate_again(recorded, now=now, backoff=backoff, problem=str(exc))
    log.warning("dbt_run.retried", problem=str(exc), again_at=now + backoff)


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
