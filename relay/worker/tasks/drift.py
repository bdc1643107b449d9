"""Comparing the mapping with Census and dbt, and saying what has changed since."""

from datetime import timedelta

from relay.census.comparison import KnownProject
from relay.decision.coverage import coverage_of
from relay.decision.mapping import SyncMapping
from relay.logs import get_logger
from relay.operations.comparing import compare
from relay.operations.dbt_facts import ask_dbt
from relay.store import jobs
from relay.store.drift import DriftChanges
from relay.worker.services import Services

BETWEEN_CHECKS = timedelta(days=1)
AFTER_A_FAILURE = timedelta(hours=1)
# Replicas that take up a new mapping one after another need one check.
AFTER_A_CHANGE = timedelta(minutes=1)

log = get_logger()


def check_drift(services: Services) -> None:
    """Compare the mapping with what dbt Cloud and Census say, and log what is new or resolved.

    What it covers of the dbt project is kept for the dashboard.
    """
    services.mapping.refresh()
    mapping = services.mapping.current
    facts = ask_dbt(services.dbt_cloud, mapping, now=services.clock())
    if facts.project is not None:
        _record_coverage(services, mapping, facts.project)
    comparison = compare(mapping, facts, services.census_clients.management_of, _say_nothing)
    now = services.clock()
    changes = services.store.drift.record(comparison, digest=mapping.digest, at=now)
    _log(changes)
    if comparison.unchecked:
        services.store.periodic_tasks.make_due(jobs.CHECK_DRIFT, at=now + AFTER_A_FAILURE)


def _record_coverage(services: Services, mapping: SyncMapping, known: KnownProject) -> None:
    services.store.coverage.record(
        coverage_of(mapping, known.project, known.selection),
        digest=mapping.digest,
        lacks=known.lacks,
        at=services.clock(),
    )


def drift_check_failed(services: Services, problem: str) -> None:
    """Check again in a while."""
    at = services.clock() + AFTER_A_FAILURE
    services.store.periodic_tasks.make_due(jobs.CHECK_DRIFT, at=at)


def request_drift_check(services: Services, digest: str) -> None:
    """Have the mapping of this digest compared soon, unless it was the last one compared."""
    if services.store.drift.last_digest() != digest:
        at = services.clock() + AFTER_A_CHANGE
        services.store.periodic_tasks.make_due(jobs.CHECK_DRIFT, at=at)


def _log(changes: DriftChanges) -> None:
    for row in changes.found:
        log.warning(
            "sync.drifted",
            workspace=row.workspace,
            sync_id=row.sync_id,
            kind=row.kind,
            severity=row.severity,
            detail=row.detail,
        )
    for row in changes.resolved:
        log.info(
            "sync.drift_resolved",
            workspace=row.workspace,
            sync_id=row.sync_id,
            kind=row.kind,
            detail=row.detail,
        )
    if changes.not_checked:
        log.warning("drift.not_checked", problems=changes.not_checked)


def _say_nothing(_text: str) -> None:
    """A worker shows no progress."""
