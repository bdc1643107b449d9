"""All that pages read."""

from relay.store.pages.actions import ActionPages
from relay.store.pages.dbt_run import DbtRunDetailPages
from relay.store.pages.dbt_runs import DbtRunPages
from relay.store.pages.decisions import DecisionPages
from relay.store.pages.deliveries import DeliveryPages
from relay.store.pages.delivery import DeliveryDetailPages
from relay.store.pages.ids import IdPages
from relay.store.pages.mapping import MappingPages
from relay.store.pages.models import ModelPages
from relay.store.pages.overview import OverviewPages
from relay.store.pages.previews import PreviewPages
from relay.store.pages.queue import QueuePages
from relay.store.pages.sync_runs import SyncRunPages
from relay.store.pages.syncs import SyncPages
from relay.store.transactions import Connections


class Pages:
    """The dashboard's reads, over a connection that can only read."""

    def __init__(self, connections: Connections) -> None:
        self.deliveries = DeliveryPages(connections)
        self.overview = OverviewPages(connections)
        self.syncs = SyncPages(connections)
        self.sync_runs = SyncRunPages(connections)
        self.decisions = DecisionPages(connections)
        self.actions = ActionPages(connections)
        self.previews = PreviewPages(connections)
        self.delivery = DeliveryDetailPages(connections)
        self.dbt_runs = DbtRunPages(connections)
        self.dbt_run = DbtRunDetailPages(connections)
        self.ids = IdPages(connections)
        self.models = ModelPages(connections)
        self.mapping = MappingPages(connections)
        self.queue = QueuePages(connections)
