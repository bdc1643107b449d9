"""Whether the service can do its work: the database, the mapping file, a worker that lives."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg

from relay.errors import BadMapping, DatabaseUnavailable
from relay.mapping_file import load
from relay.postgres.connections import OneConnection, connect_impatiently
from relay.postgres.migrate import is_current
from relay.postgres.server import Server
from relay.settings import Settings
from relay.store import Store

A_DEAD_WORKER = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked: is it well, and a detail for a person."""

    name: str
    is_well: bool
    detail: str


class Health:
    """Checks everything anew each time it is asked."""

    def __init__(self, server: Server, settings: Settings) -> None:
        self._server = server
        self._settings = settings

    def check(self) -> tuple[Check, ...]:
        """Every check, the database's within a few seconds."""
        return (*self._check_database_and_worker(), self._check_mapping())

    def _check_database_and_worker(self) -> tuple[Check, Check]:
        try:
            with connect_impatiently(self._server.conninfo) as connection:
                if not is_current(connection):
                    return _both_unwell("its schema is not up to date")
                now, heartbeat = Store(OneConnection(connection)).status.last_heartbeat()
        except (psycopg.Error, DatabaseUnavailable):
            return _both_unwell("it does not answer")
        return Check("database", is_well=True, detail="ok"), _worker_check(now, heartbeat)

    def _check_mapping(self) -> Check:
        try:
            load(self._settings.mapping, self._settings.census_hosts)
        except BadMapping as exc:
            detail = f"{len(exc.problems)} to fix: `relay check` lists them"
            return Check("mapping", is_well=False, detail=detail)
        return Check("mapping", is_well=True, detail="ok")


def _both_unwell(detail: str) -> tuple[Check, Check]:
    unknown = "unknown: workers report to the database"
    return (
        Check("database", is_well=False, detail=detail),
        Check("worker", is_well=False, detail=unknown),
    )


def _worker_check(now: datetime, heartbeat: datetime | None) -> Check:
    if heartbeat is None:
        return Check("worker", is_well=False, detail="there is none")
    silent = now - heartbeat
    if silent > A_DEAD_WORKER:
        detail = f"silent for {round(silent.total_seconds())} s"
        return Check("worker", is_well=False, detail=detail)
    return Check("worker", is_well=True, detail="ok")
