"""Whether the service can do its work: the database, the mapping file, a worker that lives."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import psycopg

from relay.errors import BadMapping, DatabaseUnavailable
from relay.mapping_file import load
from relay.postgres.connections import OneConnection, connect_impatiently
from relay.postgres.migrate import is_current
from relay.postgres.server import Server
from relay.store import Store

A_DEAD_WORKER = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: is it well, and a word on it."""

    name: str
    is_well: bool
    told: str


class Health:
    """Looks at everything anew each time it is asked."""

    def __init__(self, server: Server, mapping: Path) -> None:
        self._server = server
        self._mapping = mapping

    def check(self) -> tuple[Check, ...]:
        """Every check, the database's within a few seconds."""
        return (*self._look_at_database_and_worker(), self._look_at_the_mapping())

    def _look_at_database_and_worker(self) -> tuple[Check, Check]:
        try:
            with connect_impatiently(self._server.conninfo) as connection:
                if not is_current(connection):
                    return _both_unwell("its schema is not up to date")
                now, heartbeat = Store(OneConnection(connection)).status.last_heartbeat()
        except (psycopg.Error, DatabaseUnavailable):
            return _both_unwell("it does not answer")
        return Check("database", is_well=True, told="ok"), _worker_check(now, heartbeat)

    def _look_at_the_mapping(self) -> Check:
        try:
            load(self._mapping)
        except BadMapping as exc:
            told = f"{len(exc.problems)} to mend: `relay check` tells what"
            return Check("mapping", is_well=False, told=told)
        return Check("mapping", is_well=True, told="ok")


def _both_unwell(told: str) -> tuple[Check, Check]:
    nobody_knows = "not known: workers say that they live in the database"
    return (
        Check("database", is_well=False, told=told),
        Check("worker", is_well=False, told=nobody_knows),
    )


def _worker_check(now: datetime, heartbeat: datetime | None) -> Check:
    if heartbeat is None:
        return Check("worker", is_well=False, told="there is none")
    silent = now - heartbeat
    if silent > A_DEAD_WORKER:
        told = f"silent for {round(silent.total_seconds())} s"
        return Check("worker", is_well=False, told=told)
    return Check("worker", is_well=True, told="ok")
