"""relay's tables, and the only SQL: each method is one transaction, with the jobs it makes due.

Every method raises DatabaseUnavailable where PostgreSQL does not answer. Times are given.
"""

from relay.store.attempts import Attempt, Attempts, Cause, Held
from relay.store.by_hand import trigger_by_hand
from relay.store.catch_up import CatchUps
from relay.store.dbt_runs import DbtRuns, RecordedRun
from relay.store.decisions import Decision, find_decision
from relay.store.deliveries import Delivery, record_deliveries
from relay.store.history import read_history
from relay.store.periodic import Chores
from relay.store.replay import (
    Redo,
    Replayed,
    Told,
    Triggered,
    is_recorded,
    left_alone,
    replay,
    run_of_delivery,
    runs_recorded,
)
from relay.store.retention import Retention
from relay.store.status import Overview, last_heartbeat, read_overview
from relay.store.sync_runs import Following
from relay.store.transactions import Connections


class Store:
    """What the worker remembers."""

    def __init__(self, connections: Connections) -> None:
        self.dbt_runs = DbtRuns(connections)
        self.attempts = Attempts(connections)
        self.following = Following(connections)
        self.catch_ups = CatchUps(connections)
        self.chores = Chores(connections)
        self.retention = Retention(connections)


__all__ = [
    "Attempt",
    "Cause",
    "Decision",
    "Delivery",
    "Held",
    "Overview",
    "RecordedRun",
    "Redo",
    "Replayed",
    "Store",
    "Told",
    "Triggered",
    "find_decision",
    "is_recorded",
    "last_heartbeat",
    "left_alone",
    "read_history",
    "read_overview",
    "record_deliveries",
    "replay",
    "run_of_delivery",
    "runs_recorded",
    "trigger_by_hand",
]
