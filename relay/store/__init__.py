"""relay's tables and all of its SQL. Each method is one transaction, including the jobs it defers.

Every method raises DatabaseUnavailable if PostgreSQL does not respond. Callers pass in the time.
"""

from relay.store.actions import Action, ActionKind, ActionResult, Actions, Part, Through
from relay.store.alerts import Alerts
from relay.store.attempts import Attempt, Attempts, ClaimedAttempt
from relay.store.catch_up import CatchUps
from relay.store.census_versions import CensusVersions
from relay.store.coverage import Coverages
from relay.store.dbt_runs import DbtRuns, RecordedRun
from relay.store.decisions import Decision, Decisions
from relay.store.deliveries import DeliveredRun, Deliveries, Delivery
from relay.store.drift import Drift
from relay.store.holds import Ended, Hold, Holds, HoldScope, Underway
from relay.store.messages import Messages
from relay.store.metrics import Metrics
from relay.store.mode import Mode
from relay.store.mutes import Mute, Mutes
from relay.store.observations import Observations
from relay.store.periodic import PeriodicTasks
from relay.store.replay import Redo, Replayed, Replays, Triggered
from relay.store.requests import Requests
from relay.store.results import (
    Found,
    NotFound,
    NotStarted,
    Refused,
    Result,
    Started,
    Unconfirmed,
)
from relay.store.retention import Retention
from relay.store.status import Overview, Status
from relay.store.sync_runs import End, FollowedRun, SyncRuns
from relay.store.sync_states import SyncStates
from relay.store.takeovers import TakenOver, Takeovers
from relay.store.tallies import Tallies
from relay.store.transactions import Connections
from relay.store.triggers import Causes, TriggerProgress, Triggers, Waiting
from relay.store.unsent import UnsentTriggers


class Store:
    """relay's stored state, accessed through a connection pool or a single connection."""

    def __init__(self, connections: Connections) -> None:
        self.deliveries = Deliveries(connections)
        self.dbt_runs = DbtRuns(connections)
        self.decisions = Decisions(connections)
        self.triggers = Triggers(connections)
        self.holds = Holds(connections)
        self.attempts = Attempts(connections)
        self.unsent = UnsentTriggers(connections)
        self.sync_runs = SyncRuns(connections)
        self.sync_states = SyncStates(connections)
        self.tallies = Tallies(connections)
        self.metrics = Metrics(connections)
        self.observations = Observations(connections)
        self.alerts = Alerts(connections)
        self.messages = Messages(connections)
        self.mutes = Mutes(connections)
        self.catch_ups = CatchUps(connections)
        self.census_versions = CensusVersions(connections)
        self.drift = Drift(connections)
        self.coverage = Coverages(connections)
        self.replays = Replays(connections)
        self.status = Status(connections)
        self.periodic_tasks = PeriodicTasks(connections)
        self.retention = Retention(connections)
        self.takeovers = Takeovers(connections)
        self.actions = Actions(connections)
        self.requests = Requests(connections)


__all__ = [
    "Action",
    "ActionKind",
    "ActionResult",
    "Attempt",
    "Causes",
    "ClaimedAttempt",
    "Decision",
    "DeliveredRun",
    "Deliveries",
    "Delivery",
    "End",
    "Ended",
    "FollowedRun",
    "Found",
    "Hold",
    "HoldScope",
    "Mode",
    "Mute",
    "NotFound",
    "NotStarted",
    "Overview",
    "Part",
    "RecordedRun",
    "Redo",
    "Refused",
    "Replayed",
    "Result",
    "Started",
    "Store",
    "TakenOver",
    "Through",
    "TriggerProgress",
    "Triggered",
    "Unconfirmed",
    "Underway",
    "Waiting",
]
