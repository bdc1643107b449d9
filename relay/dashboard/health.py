"""The state of the service for the overview, in the words of `/readyz`."""

from collections.abc import Iterator
from datetime import datetime

import msgspec

from relay.dashboard.visit import Visit
from relay.operations.api_versions import census_versions, v1_end
from relay.operations.readiness import check_worker
from relay.store.observations import (
    MAPPING,
    MAPPING_LOADED,
    WEBHOOK_SILENT,
    WEBHOOK_SUBSCRIPTION,
    Observation,
)
from relay.store.pages.overview import Attention
from relay.workspaces import DEFAULT_WORKSPACE, V1

OK, PROBLEM, WARNING = "ok", "problem", "warning"
_DIGITS = 12  # of a digest


class HealthItem(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the service; `at` is when it was last heard of, None if that is not known."""

    name: str
    state: str
    detail: str
    at: datetime | None = None


def health_of(visit: Visit, attention: Attention) -> tuple[HealthItem, ...]:
    """Database, mapping, worker and webhook, and what else a person should know."""
    seen = {(each.name, each.subject): each for each in attention.observations}
    return (
        HealthItem(name="database", state=OK, detail="ok"),
        _mapping(visit, seen.get((MAPPING, "")), seen.get((MAPPING_LOADED, ""))),
        _worker(attention),
        _webhook(attention, seen.get((WEBHOOK_SUBSCRIPTION, "")), seen.get((WEBHOOK_SILENT, ""))),
        *_census(visit, attention),
        *_dry_run(visit),
    )


def _mapping(visit: Visit, seen: Observation | None, loaded: Observation | None) -> HealthItem:
    at = None if loaded is None else loaded.seen_at
    if visit.mapping is None:
        detail = "there is no valid mapping file: `relay check` lists what to fix"
        return HealthItem(name="mapping", state=PROBLEM, detail=detail)
    in_use = f"{len(visit.mapping.syncs)} syncs, {visit.mapping.digest[:_DIGITS]}"
    if seen is not None and not seen.value:
        detail = f"the changed file is refused: {seen.detail}; in use: {in_use}"
        return HealthItem(name="mapping", state=PROBLEM, detail=detail, at=at)
    return HealthItem(name="mapping", state=OK, detail=in_use, at=at)


def _worker(attention: Attention) -> HealthItem:
    check = check_worker(attention.now, attention.heartbeat_at)
    alive = f"{attention.workers} alive" if attention.workers else check.detail
    state = OK if check.is_well else PROBLEM
    return HealthItem(name="worker", state=state, detail=alive, at=attention.heartbeat_at)


def _webhook(
    attention: Attention, subscription: Observation | None, silent: Observation | None
) -> HealthItem:
    at = attention.last_delivery_at
    if subscription is not None and not subscription.value:
        return HealthItem(name="webhook", state=PROBLEM, detail=subscription.detail, at=at)
    if silent is not None and silent.value:
        detail = "dbt runs end, and no delivery arrives"
        return HealthItem(name="webhook", state=PROBLEM, detail=detail, at=at)
    detail = "last delivery" if at is not None else "no delivery yet"
    return HealthItem(name="webhook", state=OK, detail=detail, at=at)


def _census(visit: Visit, attention: Attention) -> Iterator[HealthItem]:
    versions = census_versions(
        visit.settings.census_api_version, visit.mapping, attention.census_versions
    )
    for version in versions:
        if version.api_version == V1:
            of = "" if version.workspace == DEFAULT_WORKSPACE else f" of {version.workspace}"
            detail = f"v1 {v1_end(visit.now.date())}"
            yield HealthItem(name=f"Census API{of}", state=WARNING, detail=detail)


def _dry_run(visit: Visit) -> Iterator[HealthItem]:
    if visit.settings.dry_run:
        detail = "RELAY_DRY_RUN is set: no sync run is started"
        yield HealthItem(name="dry run", state=WARNING, detail=detail)
