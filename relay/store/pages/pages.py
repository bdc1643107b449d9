"""All that pages read."""

from relay.store.pages.deliveries import DeliveryPages
from relay.store.pages.mapping import MappingPages
from relay.store.pages.models import ModelPages
from relay.store.pages.queue import QueuePages
from relay.store.transactions import Connections


class Pages:
    """The dashboard's reads, over a connection that can only read."""

    def __init__(self, connections: Connections) -> None:
        self.deliveries = DeliveryPages(connections)
        self.models = ModelPages(connections)
        self.mapping = MappingPages(connections)
        self.queue = QueuePages(connections)
