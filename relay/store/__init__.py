"""relay's tables, and the only SQL: each method is one transaction, with the jobs it makes due.

Every method raises DatabaseUnavailable where PostgreSQL does not answer. Times are given.
"""

from relay.store.attempts import Attempt, Attempts, Cause, Held
from relay.store.dbt_runs import DbtRuns, RecordedRun, Replayed, replay
from relay.store.decisions import Decision, find_decision
from relay.store.deliveries import Delivery, record_deliveries
from relay.store.following import Following
from relay.store.history import read_history
from relay.store.overview import Overview, last_heartbeat, overview
from relay.store.transactions import Connections


class Store:
    """What the worker remembers."""

    def __init__(self, connections: Connections) -> None:
        self.dbt_runs = DbtRuns(connections)
        self.attempts = Attempts(connections)
        self.following = Following(connections)


__all__ = [
    "Attempt",
    "Cause",
    "Decision",
    "Delivery",
    "Held",
    "Overview",
    "RecordedRun",
    "Replayed",
    "Store",
    "find_decision",
    "last_heartbeat",
    "overview",
    "read_history",
    "record_deliveries",
    "replay",
]
