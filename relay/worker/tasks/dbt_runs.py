"""Evaluating a dbt run: what it rebuilt, the decisions, and their triggers."""

from structlog.contextvars import bind_contextvars

from relay.dbt.runs import ERROR, judged
from relay.decision.findings import Findings
from relay.decision.mapping import SyncMapping
from relay.decision.models_of_run import models_of_run
from relay.decision.plan import Plan, decide
from relay.errors import BadArtifact, VendorError
from relay.logs import get_logger
from relay.operations.evaluate import findings_of
from relay.store import RecordedRun, jobs
from relay.store.jobs import RunningJob
from relay.worker.backoff import is_exhausted, next_try, retry_after_of
from relay.worker.services import Services
from relay.workspaces import display_id

log = get_logger()


def evaluate_dbt_run(
    services: Services, job: RunningJob | None, *, dbt_account_id: int, dbt_run_id: int
) -> None:
    """Find out what a recorded dbt run rebuilt, decide, and record the decisions.

    `job` goes on with the start of the first sync run; None leaves that to another one.
    """
    recorded = services.store.dbt_runs.get(dbt_account_id, dbt_run_id)
    if recorded is None or recorded.is_done:
        return
    bind_contextvars(event_id=recorded.event_id)
    services.mapping.refresh()
    mapping, collector = services.mapping.current, services.collector
    try:
        with findings_of(collector, dbt_run_id, mapping, now=services.clock()) as findings:
            _require_decidable(services, recorded, findings)
            plan = _decide(services, job, findings, mapping)
            if plan is not None:
                _log_findings(findings)
                _log_plan(plan)
                _log_selectors_of_nothing(services, findings, mapping)
    except (VendorError, BadArtifact) as exc:
        # Retry refusals too: while a token is being replaced, no sync may be lost.
        _retry_or_give_up(services, recorded, str(exc), retry_after_of(exc))


def evaluation_failed(
    services: Services, problem: str, *, dbt_account_id: int, dbt_run_id: int
) -> None:
    """Count an unexpected error of `evaluate_dbt_run` as a failure."""
    recorded = services.store.dbt_runs.get(dbt_account_id, dbt_run_id)
    if recorded is not None and not recorded.is_done:
        _retry_or_give_up(services, recorded, problem, None)


def _require_decidable(services: Services, recorded: RecordedRun, findings: Findings) -> None:
    """Raise the error that keeps a sync from being decided, except on the last try.

    All syncs are decided together, once per run: on the last try without those that cannot be.
    """
    retry_for = services.settings.retry_for
    if findings.undecidable and not is_exhausted(recorded.backoff_spent, retry_for=retry_for):
        raise next(iter(findings.undecidable.values()))


def _decide(
    services: Services, job: RunningJob | None, findings: Findings, mapping: SyncMapping
) -> Plan | None:
    """Decide and record the plan, in one transaction; None if another job has done so."""
    # Before the transaction, which blocks others.
    nodes_needing_history = findings.nodes_needing_history(mapping)
    now, run = services.clock(), findings.run
    models = models_of_run(findings, mapping, now=now)
    deciding_on = services.store.dbt_runs.begin_decision(
        run,
        mapping,
        steps=judged(run.steps, not_of_this_run=findings.outcome.not_of_this_run),
        models=models,
        now=now,
        mode=services.mode,
        job=job,
    )
    with deciding_on as deciding:
        if deciding is None:
            return None
        plan = decide(findings, mapping, deciding.history(nodes_needing_history), now=now)
        return deciding.record(plan)


def _retry_or_give_up(
    services: Services, recorded: RecordedRun, problem: str, retry_after: float | None
) -> None:
    backoff = next_try(
        recorded.failures,
        recorded.backoff_spent,
        retry_for=services.settings.retry_for,
        retry_after=retry_after,
    )
    if backoff is None:
        _give_up(services, recorded, problem)
        return
    now = services.clock()
    services.store.dbt_runs.evaluate_again(recorded, now=now, backoff=backoff, problem=problem)
    log.warning("dbt_run.retried", problem=problem, again_at=now + backoff)


def _give_up(services: Services, recorded: RecordedRun, problem: str) -> None:
    services.store.dbt_runs.give_up(recorded, now=services.clock(), problem=problem)
    log.error("dbt_run.given_up", problem=problem)


def _log_findings(findings: Findings) -> None:
    run, outcome = findings.run, findings.outcome
    for status, unique_id in outcome.unknown_statuses.items():
        log.warning("dbt_run.status_unknown", status=status, node=unique_id)
    if not run.steps and run.status == ERROR:
        log.warning("dbt_run.without_steps", dbt_job_id=run.dbt_job_id)
    for step in outcome.without_results:
        log.warning(
            "dbt_run.step_without_results",
            step=step.index,
            command=step.command,
            problem=outcome.problem_of(step),
        )
    for unaccounted in outcome.unaccounted_tests:
        log.warning(
            "dbt_run.tests_unknown",
            step=unaccounted.step.index,
            command=unaccounted.step.command,
            problem=unaccounted.problem,
        )
    for node, relations in outcome.relations.items():
        log.warning("dbt_run.relation_ambiguous", node=node, relations=list(relations))
    retries = [retried.dbt_run_id for retried in run.retried_runs]
    log.info(
        "dbt_run.examined",
        dbt_job_id=run.dbt_job_id,
        rebuilt=outcome.rebuilt,
        failed=outcome.failed,
        steps=len(run.steps),
        **({"not_of_this_run": outcome.not_of_this_run} if outcome.not_of_this_run else {}),
        **({"retries": retries} if retries else {}),
        **({"never_counts": run.never_counts_because} if run.never_counts_because else {}),
    )


def _log_plan(plan: Plan) -> None:
    for verdict in plan.withheld:
        log.info(
            "sync.withheld",
            workspace=verdict.sync.workspace,
            sync_id=verdict.sync.sync_id,
            reason=verdict.reason,
            models=list(verdict.models),
            **({"through": verdict.through} if verdict.through else {}),
            **({"until": verdict.due_at} if verdict.due_at else {}),
        )
    log.info(
        "dbt_run.planned",
        triggers=[verdict.sync.sync_id for verdict in plan.triggers],
        withheld=[verdict.sync.sync_id for verdict in plan.withheld],
    )
    for undecided in plan.undecided:
        if undecided.is_expected:
            continue  # logged with `problem` below
        log.error(
            "task.failed",
            task=jobs.EVALUATE_DBT_RUN,
            workspace=undecided.sync.workspace,
            sync_id=undecided.sync.sync_id,
            exc_info=undecided.cause,
        )
    if plan.problem:
        syncs = [display_id(*one.sync.key) for one in plan.undecided]
        log.error("dbt_run.given_up", problem=plan.problem, undecided=syncs)


def _log_selectors_of_nothing(services: Services, findings: Findings, mapping: SyncMapping) -> None:
    for sync, selector, place in services.projects_seen.select_nothing(findings, mapping):
        log.warning(
            "mapping.word_selects_nothing",
            selector=selector.text,
            workspace=sync.workspace,
            sync_id=sync.sync_id,
            place=place,
        )
