"""How the vendors answer this worker: counted in memory, told to the database every few seconds."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from relay.clock import Clock
from relay.store import Store
from relay.store.observations import VENDOR_PAUSED_UNTIL
from relay.store.pending_tallies import PendingTallies
from relay.store.tallies import REQUEST_BUCKETS, count, observe
from relay.vendors.observer import Operation

Paused = Callable[[str, float], None]


class VendorRequests:
    """The requests and pauses of all clients of a worker. Thread-safe."""

    def __init__(self, counted: PendingTallies, clock: Clock) -> None:
        self._counted = counted
        self._clock = clock
        self._lock = threading.Lock()
        self._paused_until: dict[str, datetime] = {}  # by vendor and workspace, not yet recorded

    def observer_of(self, vendor: str, workspace: str) -> "_Requests":
        """The observer of one client's requests; `workspace` is empty for dbt Cloud."""
        return _Requests(self._counted, self._paused, vendor, workspace)

    def record_pauses(self, store: Store) -> None:
        """Record how long each vendor is not to be asked. Raises DatabaseUnavailable."""
        with self._lock:
            pauses = tuple(self._paused_until.items())
        for subject, until in pauses:
            store.observations.record(
                VENDOR_PAUSED_UNTIL, subject, until.timestamp(), "", self._clock()
            )
            with self._lock:
                if self._paused_until.get(subject) == until:
                    del self._paused_until[subject]

    def _paused(self, subject: str, seconds: float) -> None:
        with self._lock:
            self._paused_until[subject] = self._clock() + timedelta(seconds=seconds)


@dataclass(frozen=True, slots=True)
class _Requests:
    _counted: PendingTallies
    _paused: Paused
    _vendor: str
    _workspace: str

    def sent(self, operation: Operation, code: str, seconds: float) -> None:
        """Count a request and its time."""
        labels = {"vendor": self._vendor, "operation": operation.value}
        self._counted.add(
            (
                count("relay_vendor_requests_total", **labels, code=code),
                *observe("relay_vendor_request_seconds", seconds, REQUEST_BUCKETS, **labels),
            )
        )

    def paused(self, seconds: float) -> None:
        """Keep the end of the pause, to be recorded."""
        self._paused(f"{self._vendor}/{self._workspace}".rstrip("/"), seconds)
