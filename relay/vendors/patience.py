"""Asks a vendor many questions: below its limit, and again after a fault."""

import threading
from collections.abc import Callable
from typing import TypeVar

from relay.clock import Stopwatch, stopwatch
from relay.dbt.artifacts import RunResults
from relay.dbt.manifest import Lineage
from relay.dbt.runs import DbtRun
from relay.errors import Unavailable
from relay.vendors.dbt_cloud import DbtCloud

MOST_TRIES = 5
LONGEST_PAUSE = 300.0  # seconds that a vendor may ask for before a question is given up

Value = TypeVar("Value")


class Patience:
    """Paces calls of several threads, and repeats one that the vendor did not answer.

    After HTTP 429 it waits as long as the vendor asks, else 1, 2, 4, … seconds. After `stop` no
    call waits or is repeated.
    """

    def __init__(
        self,
        *,
        most_a_minute: int,
        sleep: Callable[[float], object] | None = None,
        stopwatch: Stopwatch = stopwatch,
    ) -> None:
        self._seconds_apart = 60 / most_a_minute
        self._stopped = threading.Event()
        self._sleep = sleep or self._stopped.wait
        self._stopwatch = stopwatch
        self._lock = threading.Lock()
        self._next = 0.0

    def ask(self, call: Callable[[], Value]) -> Value:
        """The call's result. Raises what it raises; Unavailable after MOST_TRIES."""
        for failures in range(MOST_TRIES - 1):
            self._wait_for_turn()
            try:
                return call()
            except Unavailable as exc:
                pause = exc.retry_after if exc.retry_after is not None else 2.0**failures
                if pause > LONGEST_PAUSE or self._stopped.is_set():
                    raise
                self._sleep(pause)
        self._wait_for_turn()
        return call()

    def stop(self) -> None:
        """End every pause, so that the threads end soon."""
        self._stopped.set()

    def _wait_for_turn(self) -> None:
        with self._lock:
            now = self._stopwatch()
            turn = max(now, self._next)
            self._next = turn + self._seconds_apart
        if turn > now:
            self._sleep(turn - now)


class PatientDbtCloud:
    """An account's runs, read with patience. Each call raises as that of DbtCloud does."""

    def __init__(self, dbt_cloud: DbtCloud, patience: Patience) -> None:
        self._dbt_cloud = dbt_cloud
        self._patience = patience

    def get_run(self, dbt_run_id: int, /) -> DbtRun:
        """A run with its steps."""
        return self._patience.ask(lambda: self._dbt_cloud.get_run(dbt_run_id))

    def get_retried_run(self, dbt_run_id: int, /) -> DbtRun:
        """A run that another one retries."""
        return self._patience.ask(lambda: self._dbt_cloud.get_retried_run(dbt_run_id))

    def get_run_results(self, dbt_run_id: int, /, *, step: int) -> RunResults | None:
        """The step's run_results.json; None if it has none."""
        return self._patience.ask(lambda: self._dbt_cloud.get_run_results(dbt_run_id, step=step))

    def get_manifest(self, dbt_run_id: int, /, *, step: int) -> Lineage:
        """The project at that step."""
        return self._patience.ask(lambda: self._dbt_cloud.get_manifest(dbt_run_id, step=step))
