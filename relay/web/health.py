"""Readiness of the service: the database, the mapping file, a worker, the log."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

import psycopg

from relay import logs
from relay.decision.mapping import SyncMapping
from relay.errors import DatabaseUnavailable, Problem
from relay.mapping_file import Stamp, stamp_of
from relay.operations.lost_lines import report_lost_lines
from relay.operations.readiness import (
    Check,
    cannot_store,
    check_storing,
    check_worker,
    read_mapping,
)
from relay.postgres.connections import OneConnection, connect_with_timeout
from relay.postgres.migrate import is_current
from relay.postgres.server import Server
from relay.settings import Settings
from relay.store import Store
from relay.store.transactions import server_message

CACHE_SECONDS = 2.0  # seconds that a result is cached

Result = TypeVar("Result")


class Health:
    """Runs checks, one request at a time, and caches the results for CACHE_SECONDS."""

    def __init__(
        self,
        server: Server,
        settings: Settings,
        *,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server = server
        self._mapping = _MappingCheck(settings)
        self._checks = _Cached(self._run_all, timer)
        self._storing = _Cached(self._check_storing, timer)

    @property
    def mapping(self) -> SyncMapping | None:
        """The last valid mapping that a check has read; None if there was none yet."""
        return self._mapping.last_valid

    def mapping_now(self) -> SyncMapping | None:
        """The last valid mapping, after a changed file has been read; None if there was none."""
        self._mapping.check()
        return self._mapping.last_valid

    def mapping_problems(self) -> tuple[Problem, ...]:
        """Why the mapping file as it is now cannot be used; none if it can."""
        return self._mapping.check().problems

    def check(self) -> tuple[Check, ...]:
        """All checks; that of the database takes a few seconds at most."""
        return self._checks.get()

    def check_storing(self) -> Check:
        """Whether deliveries can be stored, whatever else is wrong; for a load balancer.

        A newer relay's schema is well here: during an upgrade this web still stores deliveries.
        """
        return self._storing.get()

    def _run_all(self) -> tuple[Check, ...]:
        return (*self._check_database_and_worker(), self._mapping.check(), _log_check())

    def _check_storing(self) -> Check:
        try:
            with connect_with_timeout(self._server.conninfo) as connection:
                return check_storing(Store(OneConnection(connection)))
        except (psycopg.Error, DatabaseUnavailable, OSError):
            return _database_failed("it does not answer")

    def _check_database_and_worker(self) -> tuple[Check, Check]:
        try:
            with connect_with_timeout(self._server.conninfo) as connection:
                if not is_current(connection):
                    return _both_failed("its schema is not up to date")
                store = Store(OneConnection(connection))
                now, heartbeat = store.status.last_heartbeat()
                return _check_storing_and_report(store), check_worker(now, heartbeat)
        except (psycopg.Error, DatabaseUnavailable, OSError):  # OSError: no descriptor left
            return _both_failed("it does not answer")


class _MappingCheck:
    """Reads the mapping file only when it has changed, because a large one takes a second."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()  # for all below
        self._stamp: Stamp | None = None
        self._check: Check | None = None
        self.last_valid: SyncMapping | None = None

    def check(self) -> Check:
        stamp = stamp_of(self._settings.mapping)
        with self._lock:
            if self._check is None or stamp is None or stamp != self._stamp:
                self._stamp = stamp
                self._check, mapping = read_mapping(self._settings)
                self.last_valid = mapping or self.last_valid
            return self._check


class _Cached(Generic[Result]):
    """The result of a check, for CACHE_SECONDS; one thread at a time runs the check."""

    def __init__(self, check: Callable[[], Result], timer: Callable[[], float]) -> None:
        self._check = check
        self._timer = timer
        self._lock = threading.Lock()  # for the two below
        self._result: Result | None = None
        self._checked_at = 0.0

    def get(self) -> Result:
        with self._lock:
            if self._result is None or self._timer() - self._checked_at >= CACHE_SECONDS:
                self._result = self._check()
                self._checked_at = self._timer()
            return self._result


def _database_failed(detail: str) -> Check:
    return Check("database", is_well=False, detail=detail)


def _both_failed(detail: str) -> tuple[Check, Check]:
    unknown = "unknown: workers report to the database"
    return _database_failed(detail), Check("worker", is_well=False, detail=unknown)


def _check_storing_and_report(store: Store) -> Check:
    check = check_storing(store)
    if check.is_well:
        try:
            report_lost_lines(store, "web")
        except (psycopg.Error, DatabaseUnavailable) as exc:
            return cannot_store(server_message(exc))
    return check


def _log_check() -> Check:
    """Lost log lines are shown, but do not make the service unready."""
    lost = logs.lost_lines()
    detail = f"{lost.count} lines could not be written: {lost.problem}" if lost.count else "ok"
    return Check("log", is_well=True, detail=detail)
