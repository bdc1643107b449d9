"""The review of alerts: what is stale, drifted or unwell, and the messages that are due."""

from datetime import timedelta

from relay.channels import Event
from relay.freshness import Freshness, freshness_of
from relay.logs import get_logger
from relay.messages.compose import Known, compose
from relay.messages.links import Sites
from relay.operations.levels import Levels, not_known_to_be_fresh, sightings
from relay.store import Hold
from relay.store.alerts import Changes
from relay.store.holds import open_hold
from relay.worker.services import Services
from relay.workspaces import SyncKey

BETWEEN_REVIEWS = timedelta(seconds=10)

log = get_logger()


def review_alerts(services: Services) -> None:
    """Open and resolve alerts, compose the messages that are due, and have them sent."""
    services.mapping.refresh()
    held = _Held(services.store.holds.open(now=services.clock()))
    freshness = _freshness(services, held)
    changes = _review(services, freshness)
    if changes is not None:
        _log(changes, freshness)
    _tell(services, held)
    services.store.messages.defer_due(now=services.clock())


class _Held:
    """Whether a sync is held."""

    def __init__(self, holds: tuple[Hold, ...]) -> None:
        self._holds = holds

    def __call__(self, sync: SyncKey) -> bool:
        return open_hold(self._holds, sync) is not None


def _freshness(services: Services, held: _Held) -> tuple[Freshness, ...]:
    rows = _stored_freshness(services, held)
    stale = {row.sync.key for row in rows if row.is_stale}
    if stale:
        alerts = services.store.alerts.open()
        stale -= {alert.sync for alert in alerts if alert.event is Event.STALE}
    if not stale:
        return rows
    # A worker of an older version, during an upgrade, does not derive the states that it changes.
    services.store.sync_states.derive(sorted(stale))
    return _stored_freshness(services, held)


def _stored_freshness(services: Services, held: _Held) -> tuple[Freshness, ...]:
    states, now = services.store.sync_states.all(), services.clock()
    return freshness_of(services.mapping.current.syncs, states, held, now=now)


def _review(services: Services, freshness: tuple[Freshness, ...]) -> Changes | None:
    store, mapping, now = services.store, services.mapping.current, services.clock()
    levels = Levels(
        freshness=freshness,
        drift=store.drift.all(),
        observations=store.observations.all(),
        census_version=services.settings.census_api_version,
        census_versions=store.census_versions.by_workspace(),
        mapping=mapping,
        today=now.date(),
    )
    return store.alerts.review(
        sightings(levels),
        frozenset(sync.key for sync in mapping.syncs),
        not_known_to_be_fresh(freshness, store.alerts.open()),
        at=now,
    )


def _tell(services: Services, held: _Held) -> None:
    now = services.clock()
    muted = {mute.key for mute in services.store.mutes.open(now=now)}
    with services.store.alerts.telling() as telling:
        if telling is None:
            return
        known = Known(
            alerts=telling.alerts,
            said=telling.said,
            mapping=services.mapping.current,
            is_muted=muted.__contains__,
            is_held=held,
            sites=Sites(
                dbt_cloud_url=services.settings.dbt_cloud_url,
                relay_url=services.settings.relay_url,
            ),
            delay=timedelta(seconds=services.settings.message_delay),
        )
        telling.record(compose(known, now=now), now=now)


def _log(changes: Changes, freshness: tuple[Freshness, ...]) -> None:
    owners = {row.sync.key: row.sync.owner for row in freshness}
    for alert in changes.opened:
        if alert.event is Event.STALE and alert.sync is not None:
            log.warning(
                "sync.stale",
                workspace=alert.sync[0],
                sync_id=alert.sync[1],
                behind_since=alert.detail.behind_since,
                because=alert.detail.because,
                fresh_within=alert.detail.fresh_within,
                dbt_run_id=alert.detail.dbt_run_id,
                owner=owners.get(alert.sync),
            )
    for alert in changes.resolved:
        if alert.event is Event.STALE and alert.sync is not None:
            log.info(
                "sync.fresh",
                workspace=alert.sync[0],
                sync_id=alert.sync[1],
                behind_since=alert.detail.behind_since,
                owner=owners.get(alert.sync),
            )
