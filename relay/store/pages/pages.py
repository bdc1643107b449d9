"""All that pages read."""

from relay.store.pages.actions import ActionPages
from relay.store.pages.deliveries import DeliveryPages
from relay.store.pages.previews import PreviewPages
from relay.store.transactions import Connections


class Pages:
    """The dashboard's reads, over a connection that can only read."""

    def __init__(self, connections: Connections) -> None:
        self.deliveries = DeliveryPages(connections)
        self.actions = ActionPages(connections)
        self.previews = PreviewPages(connections)
