"""What a worker last saw of the service itself, for the metrics and the alerts."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from relay.notation import short_message
from relay.store.transactions import Connection, Transactions, every

# The names, with what `value` and `detail` are; `subject` is empty unless it is said.
WEBHOOK_SUBSCRIPTION: Final = "webhook_subscription"  # 1, or 0 and the problem
WEBHOOK_SILENT: Final = "webhook_silent"  # 1 while runs end and no delivery arrives, else 0
MAPPING: Final = "mapping"  # 1, or 0 and the problems of the file, shortened
MAPPING_SYNCS: Final = "mapping_syncs"  # how many syncs the mapping in use has
MAPPING_LOADED: Final = "mapping_loaded"  # Unix time
HEARTBEAT: Final = "heartbeat"  # 1, or 0 and why RELAY_HEARTBEAT_URL could not be reached
VENDOR_PAUSED_UNTIL: Final = "vendor_paused_until"  # Unix time; subject: `census/default`


@dataclass(frozen=True, slots=True)
class Observation:
    """A value as last seen; `subject` tells several of one name apart, `detail` is for people."""

    name: str
    subject: str
    value: float
    detail: str
    seen_at: datetime


class Observations(Transactions):
    """The last observation of each name and subject."""

    def record(self, name: str, subject: str, value: float, detail: str, at: datetime) -> None:
        """Replace what was seen before; the detail is shortened to one line."""
        with self._statement() as connection:
            record_observation(connection, Observation(name, subject, value, detail, at))

    def forget(self, name: str, subject: str = "") -> None:
        """Delete what was seen before: it is not known any more."""
        with self._statement() as connection:
            connection.execute(
                "DELETE FROM relay.observations WHERE (name, subject) = (%s, %s)", (name, subject)
            )

    def all(self) -> tuple[Observation, ...]:
        """Every observation, by name and subject."""
        with self._statement() as connection:
            return tuple(every(connection, Observation, _ALL))

    def get(self, name: str, subject: str = "") -> Observation | None:
        """One observation; None if there is none yet."""
        found = (each for each in self.all() if (each.name, each.subject) == (name, subject))
        return next(found, None)


def record_observation(connection: Connection, seen: Observation) -> None:
    """Replace what was seen before, as a part of a transaction."""
    connection.execute(
        _RECORD, (seen.name, seen.subject, seen.value, short_message(seen.detail), seen.seen_at)
    )


_ALL = "SELECT name, subject, value, detail, seen_at FROM relay.observations ORDER BY name, subject"
_RECORD = """
INSERT INTO relay.observations (name, subject, value, detail, seen_at) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (name, subject) DO UPDATE
SET value = EXCLUDED.value, detail = EXCLUDED.detail, seen_at = EXCLUDED.seen_at
"""
