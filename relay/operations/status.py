"""What came, what was triggered and what is under way, at a glance."""

from relay.postgres.connections import asking
from relay.postgres.server import Server
from relay.store import Overview, Store


def read_overview(server: Server, *, newest: int) -> Overview:
    """Read the overview. Raises DatabaseUnavailable."""
    with asking(server) as connections:
        return Store(connections).status.overview(newest=newest)
