"""The status: readiness, what needs attention, recent work and open sync runs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from relay.decision.mapping import SyncMapping
from relay.mapping_file import Stamp, stamp_of
from relay.notation import printable
from relay.operations.api_versions import CensusVersion, census_versions
from relay.operations.readiness import Check, check_storing, check_worker, read_mapping
from relay.postgres.connections import single_connection
from relay.postgres.server import Server
from relay.settings import StatusSettings
from relay.store import Store
from relay.store.drift import DriftRow
from relay.store.open_alerts import AlertRow, MuteRow
from relay.store.status import (
    AbandonedRow,
    DeliveryRow,
    GivenUpRow,
    HoldRow,
    LostLinesRow,
    StuckRow,
    SyncRunRow,
    TriggerRow,
)

RowOfASync = TypeVar(
    "RowOfASync",
    bound=GivenUpRow
    | AbandonedRow
    | StuckRow
    | HoldRow
    | DriftRow
    | TriggerRow
    | SyncRunRow
    | AlertRow
    | MuteRow,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport:
    """The head, then what needs attention, then the newest of each. `now` is the database's time.

    `syncs` is None if the mapping file cannot be used. A time is None for what has not happened
    yet; `caught_up_until` is how far dbt Cloud's list of runs was read. `catch_up_interval` is in
    seconds, None if catch-up is disabled. `dry_run` is this command's own setting.
    """

    ready: bool
    dry_run: bool
    checks: tuple[Check, ...]
    now: datetime
    mapping_file: str
    syncs: int | None
    worker_seen_at: datetime | None
    last_delivery_at: datetime | None
    caught_up_until: datetime | None
    catch_up_interval: int | None
    census: tuple[CensusVersion, ...]
    given_up: list[GivenUpRow]
    abandoned: list[AbandonedRow]
    stuck: list[StuckRow]
    holds: list[HoldRow]
    drift: list[DriftRow]
    deliveries: list[DeliveryRow]
    triggers: list[TriggerRow]
    open_sync_runs: list[SyncRunRow]
    lost_log_lines: list[LostLinesRow]
    alerts: list[AlertRow]
    mutes: list[MuteRow]


class StatusReader:
    """Reads the status repeatedly; the mapping file only when it has changed."""

    def __init__(self, server: Server, settings: StatusSettings) -> None:
        self._server = server
        self._settings = settings
        self._stamp: Stamp | None = None
        self._mapping_check: tuple[Check, SyncMapping | None] | None = None

    def read(self, *, newest: int) -> StatusReport:
        """The status, with the `newest` rows of each kind. Raises DatabaseUnavailable."""
        mapping_check, mapping = self._read_mapping()
        with single_connection(self._server) as connections:
            store = Store(connections)
            now, heartbeat = store.status.last_heartbeat()
            checks = (check_storing(store), mapping_check, check_worker(now, heartbeat))
            overview = store.status.overview(newest=newest)
            return StatusReport(
                ready=all(check.is_well for check in checks),
                dry_run=self._settings.dry_run,
                checks=checks,
                now=now,
                mapping_file=str(self._settings.mapping),
                syncs=len(mapping.syncs) if mapping else None,
                worker_seen_at=heartbeat,
                last_delivery_at=store.deliveries.last_received_at(),
                caught_up_until=store.catch_ups.last_read_until(),
                catch_up_interval=self._settings.catch_up_interval,
                census=census_versions(
                    self._settings.census_api_version, mapping, store.census_versions.by_workspace()
                ),
                given_up=_with_names(overview.given_up, mapping),
                abandoned=_with_names(overview.abandoned, mapping),
                stuck=_with_names(overview.stuck, mapping),
                holds=_with_names(overview.holds, mapping),
                drift=_with_names(overview.drift, mapping),
                deliveries=overview.deliveries,
                triggers=_with_names(overview.triggers, mapping),
                open_sync_runs=_with_names(overview.open_sync_runs, mapping),
                lost_log_lines=overview.lost_log_lines,
                alerts=_with_names(overview.alerts, mapping),
                mutes=_with_names(overview.mutes, mapping),
            )

    def _read_mapping(self) -> tuple[Check, SyncMapping | None]:
        stamp = stamp_of(self._settings.mapping)
        if self._mapping_check is None or stamp is None or stamp != self._stamp:
            self._stamp, self._mapping_check = stamp, read_mapping(self._settings)
        return self._mapping_check


def _with_names(rows: Sequence[RowOfASync], mapping: SyncMapping | None) -> list[RowOfASync]:
    names = {sync.key: sync.name for sync in mapping.syncs} if mapping else {}
    return [replace(row, sync_name=_name_of(row, names)) for row in rows]


def _name_of(row: RowOfASync, names: dict[tuple[str, int], str | None]) -> str | None:
    key = (row.workspace or "", row.sync_id or 0)
    name = names.get(key)
    return printable(name) if name else None
