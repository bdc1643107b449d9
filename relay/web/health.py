"""Whether the service can do its work: the database, the mapping file, a worker, the log."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg

from relay import logs
from relay.errors import BadMapping, DatabaseUnavailable
from relay.mapping_file import Stamp, load, stamp_of
from relay.notation import short_message
from relay.operations.lost_lines import report_lost_lines
from relay.postgres.connections import OneConnection, connect_impatiently
from relay.postgres.migrate import is_current
from relay.postgres.server import Server
from relay.settings import Settings
from relay.store import Store

A_DEAD_WORKER = timedelta(seconds=60)
KEPT_FOR = 2.0  # seconds: however often it is asked, it checks no more often


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked: is it well, and a detail for a person."""

    name: str
    is_well: bool
    detail: str


class Health:
    """Checks everything, one request at a time, and keeps the result for KEPT_FOR seconds."""

    def __init__(
        self,
        server: Server,
        settings: Settings,
        *,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server = server
        self._mapping = _MappingCheck(settings)
        self._timer = timer
        self._lock = threading.Lock()  # for the two below
        self._checks: tuple[Check, ...] = ()
        self._checked_at = 0.0

    def check(self) -> tuple[Check, ...]:
        """Every check, the database's within a few seconds."""
        with self._lock:
            if not self._checks or self._timer() - self._checked_at >= KEPT_FOR:
                self._checks = (
                    *self._check_database_and_worker(),
                    self._mapping.check(),
                    _log_check(),
                )
                self._checked_at = self._timer()
            return self._checks

    def _check_database_and_worker(self) -> tuple[Check, Check]:
        try:
            with connect_impatiently(self._server.conninfo) as connection:
                if not is_current(connection):
                    return _both_unwell("its schema is not up to date")
                store = Store(OneConnection(connection))
                now, heartbeat = store.status.last_heartbeat()
                return _storing_check(store), _worker_check(now, heartbeat)
        except (psycopg.Error, DatabaseUnavailable):
            return _both_unwell("it does not answer")


class _MappingCheck:
    """Reads the mapping file again only when it has changed: a large one takes a second."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stamp: Stamp | None = None
        self._check: Check | None = None

    def check(self) -> Check:
        stamp = stamp_of(self._settings.mapping)
        if self._check is None or stamp is None or stamp != self._stamp:
            self._stamp, self._check = stamp, self._read()
        return self._check

    def _read(self) -> Check:
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


def _storing_check(store: Store) -> Check:
    """A database that answers may still store nothing: a full disk, a read-only standby."""
    try:
        store.deliveries.rehearse()
        report_lost_lines(store, "web")
    except (psycopg.Error, DatabaseUnavailable) as exc:
        detail = f"deliveries cannot be stored: {_server_message(exc)}"
        return Check("database", is_well=False, detail=detail)
    return Check("database", is_well=True, detail="ok")


def _server_message(exc: Exception) -> str:
    cause = exc if isinstance(exc, psycopg.Error) else exc.__cause__
    message = cause.diag.message_primary if isinstance(cause, psycopg.Error) else None
    return short_message(message or "the database took too long")


def _worker_check(now: datetime, heartbeat: datetime | None) -> Check:
    if heartbeat is None:
        return Check("worker", is_well=False, detail="there is none")
    silent = now - heartbeat
    if silent > A_DEAD_WORKER:
        detail = f"silent for {round(silent.total_seconds())} s"
        return Check("worker", is_well=False, detail=detail)
    return Check("worker", is_well=True, detail="ok")


def _log_check() -> Check:
    """Lost log lines are shown, but a service whose log is gone still does its work."""
    lost = logs.lost_lines()
    detail = f"{lost.count} lines could not be written: {lost.problem}" if lost.count else "ok"
    return Check("log", is_well=True, detail=detail)
