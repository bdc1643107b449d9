"""Tells the database how this worker finds the mapping file, for the metrics and the alerts."""

from relay.store.observations import MAPPING, MAPPING_LOADED, MAPPING_SYNCS
from relay.worker.services import Services


class MappingReport:
    """Records the state of the mapping file whenever it changes. For one thread.

    Not at each round: of several workers the one that saw the last change is right.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._digest: str | None = None  # of the mapping that was recorded
        self._problems: tuple[str, ...] | None = None  # None, here too: nothing was

    def record(self) -> None:
        """Record what has changed since the last call. Raises DatabaseUnavailable."""
        mapping, problems = self._services.mapping.current, self._services.mapping.problems
        if mapping.digest != self._digest:
            self._observe(MAPPING_SYNCS, len(mapping.syncs))
            self._observe(MAPPING_LOADED, self._services.clock().timestamp())
            self._digest = mapping.digest
        if problems != self._problems:
            self._observe(MAPPING, float(not problems), "; ".join(problems))
            self._problems = problems

    def _observe(self, name: str, value: float, detail: str = "") -> None:
        at = self._services.clock()
        self._services.store.observations.record(name, "", value, detail, at)
