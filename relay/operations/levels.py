"""What is wrong now, as far as no single event shows it: stale, drifted and unwell. No I/O here."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from relay.channels import Event
from relay.decision.mapping import SyncMapping
from relay.freshness import Freshness
from relay.messages.alerts import (
    CENSUS_V1,
    MAPPING,
    WEBHOOK_SILENT,
    WEBHOOK_SUBSCRIPTION,
    Alert,
    Detail,
    Sighting,
)
from relay.notation import short_message
from relay.operations.api_versions import census_versions, v1_end
from relay.store.drift import DriftRow
from relay.store.observations import Observation
from relay.workspaces import V1, V1_ENDS, SyncKey

WARN_DAYS = 30  # before v1 is retired

# The value of each observation that shows something to be wrong.
_BAD_VALUES = {WEBHOOK_SILENT: 1, WEBHOOK_SUBSCRIPTION: 0, MAPPING: 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """What a review compares with the open alerts; `census_versions` are those found by workers."""

    freshness: tuple[Freshness, ...]
    drift: Iterable[DriftRow]
    observations: Iterable[Observation]
    census_version: str
    census_versions: Mapping[str, str]
    mapping: SyncMapping
    today: date


def sightings(levels: Levels) -> tuple[Sighting, ...]:
    """Everything that is wrong now."""
    return (
        *_stale(levels.freshness),
        *_drifted(levels.drift, levels.mapping),
        *_unwell(levels.observations),
        *_census_v1(levels),
    )


def is_stale(row: Freshness) -> bool:
    """Whether it is an alert: not while the mapping has disabled the sync."""
    return row.sync.enabled and row.is_stale


def not_known_to_be_fresh(
    freshness: Iterable[Freshness], open_alerts: Iterable[Alert]
) -> frozenset[SyncKey]:
    """The stale syncs that are stale no more only because the mapping asks for less."""
    since = {
        alert.sync: alert.detail.behind_since for alert in open_alerts if alert.event is Event.STALE
    }
    return frozenset(
        row.sync.key
        for row in freshness
        if row.sync.key in since
        and row.state.behind_since is not None
        and row.state.behind_since == since[row.sync.key]
    )


def _stale(freshness: Iterable[Freshness]) -> Iterator[Sighting]:
    for row in filter(is_stale, freshness):
        detail = Detail(
            behind_since=row.state.behind_since,
            because=row.state.because or "",
            dbt_run_id=row.state.behind_dbt_run_id,
            fresh_within=row.sync.fresh_within,
        )
        yield Sighting(event=Event.STALE, detail=detail, sync=row.sync.key)


def _drifted(drift: Iterable[DriftRow], mapping: SyncMapping) -> Iterator[Sighting]:
    mapped = {sync.key for sync in mapping.syncs}
    for row in drift:
        key = (row.workspace, row.sync_id)
        if key in mapped:
            yield Sighting(
                event=Event.DRIFTED,
                detail=Detail(what=row.kind, problem=short_message(row.detail)),
                sync=key,
                subject=f"{row.kind}/{row.subject}" if row.subject else row.kind,
            )


def _unwell(observations: Iterable[Observation]) -> Iterator[Sighting]:
    for seen in observations:
        if _BAD_VALUES.get(seen.name) == seen.value:
            detail = Detail(what=seen.name, problem=short_message(seen.detail))
            yield Sighting(event=Event.UNWELL, detail=detail, subject=seen.name)


def _census_v1(levels: Levels) -> Iterator[Sighting]:
    if (V1_ENDS - levels.today).days > WARN_DAYS:
        return
    for each in census_versions(levels.census_version, levels.mapping, levels.census_versions):
        if each.api_version == V1:
            uses = f"workspace {each.workspace} uses Census's API v1"
            problem = f"{uses}, which {v1_end(levels.today)}"
            yield Sighting(
                event=Event.UNWELL,
                detail=Detail(what=CENSUS_V1, problem=problem),
                subject=f"{CENSUS_V1}/{each.workspace}",
            )
