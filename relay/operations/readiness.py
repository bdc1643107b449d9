"""Readiness of the service: the database, the mapping file, a worker."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from relay.decision.mapping import SyncMapping
from relay.errors import BadMapping, DatabaseUnavailable, Problem
from relay.mapping_file import load
from relay.settings import Settings
from relay.store import Store
from relay.store.transactions import server_message

WORKER_DEAD_AFTER = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check, with a detail for the user.

    `problems` are those of a mapping file that cannot be used.
    """

    name: str
    is_well: bool
    detail: str
    problems: tuple[Problem, ...] = ()


def check_storing(store: Store) -> Check:
    """Whether the database can store: its disk may be full, or it may be a read-only standby."""
    try:
        store.deliveries.check_writable()
    except DatabaseUnavailable as exc:
        return cannot_store(server_message(exc))
    return Check("database", is_well=True, detail="ok")


def cannot_store(problem: str) -> Check:
    """The database's check if it cannot store."""
    return Check("database", is_well=False, detail=f"deliveries cannot be stored: {problem}")


def check_worker(now: datetime, heartbeat: datetime | None) -> Check:
    """Whether a worker has sent a heartbeat recently; `heartbeat` is None if there is none."""
    if heartbeat is None:
        return Check("worker", is_well=False, detail="there is none")
    silent = now - heartbeat
    if silent > WORKER_DEAD_AFTER:
        detail = f"silent for {round(silent.total_seconds())} s"
        return Check("worker", is_well=False, detail=detail)
    return Check("worker", is_well=True, detail="ok")


def read_mapping(settings: Settings) -> tuple[Check, SyncMapping | None]:
    """The mapping file's check, and the mapping, None if it cannot be used."""
    try:
        mapping = load(settings.mapping, settings.census_hosts)
    except BadMapping as exc:
        detail = f"{len(exc.problems)} to fix: `relay check` lists them"
        return Check("mapping", is_well=False, detail=detail, problems=exc.problems), None
    return Check("mapping", is_well=True, detail="ok"), mapping
