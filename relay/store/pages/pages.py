"""All that pages read."""

from relay.store.pages.actions import ActionPages
from relay.store.pages.dbt_run import DbtRunDetailPages
from relay.store.pages.dbt_runs import DbtRunPages
from relay.store.pages.deliveries import DeliveryPages
from relay.store.pages.delivery import DeliveryDetailPages
from relay.store.pages.ids import IdPages
from relay.store.pages.previews import PreviewPages
from relay.store.transactions import Connections


class Pages:
    """The dashboard's reads, over a connection that can only read."""

    def __init__(self, connections: Connections) -> None:
        self.deliveries = DeliveryPages(connections)
        self.actions = ActionPages(connections)
        self.previews = PreviewPages(connections)
        self.delivery = DeliveryDetailPages(connections)
        self.dbt_runs = DbtRunPages(connections)
        self.dbt_run = DbtRunDetailPages(connections)
        self.ids = IdPages(connections)
