"""Whether the service can do its work: the database, the mapping file, a worker."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from relay.decision.mapping import SyncMapping
from relay.errors import BadMapping, DatabaseUnavailable
from relay.mapping_file import load
from relay.settings import Settings
from relay.store import Store
from relay.store.transactions import server_message

A_DEAD_WORKER = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked: is it well, and a detail for a person."""

    name: str
    is_well: bool
    detail: str


def check_storing(store: Store) -> Check:
    """A database that answers may still store nothing: a full disk, a read-only standby."""
    try:
        store.deliveries.check_writable()
    except DatabaseUnavailable as exc:
        return cannot_store(server_message(exc))
    return Check("database", is_well=True, detail="ok")


def cannot_store(problem: str) -> Check:
    """The database's check where it does not store what it is given."""
    return Check("database", is_well=False, detail=f"deliveries cannot be stored: {problem}")


def check_worker(now: datetime, heartbeat: datetime | None) -> Check:
    """Whether a worker gave a sign of life lately; `heartbeat` None: there is none."""
    if heartbeat is None:
        return Check("worker", is_well=False, detail="there is none")
    silent = now - heartbeat
    if silent > A_DEAD_WORKER:
        detail = f"silent for {round(silent.total_seconds())} s"
        return Check("worker", is_well=False, detail=detail)
    return Check("worker", is_well=True, detail="ok")


def read_mapping(settings: Settings) -> tuple[Check, SyncMapping | None]:
    """The mapping file's check, and the mapping; None where it cannot be used."""
    try:
        mapping = load(settings.mapping, settings.census_hosts)
    except BadMapping as exc:
        detail = f"{len(exc.problems)} to fix: `relay check` lists them"
        return Check("mapping", is_well=False, detail=detail), None
    return Check("mapping", is_well=True, detail="ok"), mapping
