"""The channels that messages go to: Slack, Teams, PagerDuty and signed webhooks.

One module for each kind renders a message as that vendor wants it, without I/O; `sender` sends it.
"""

from relay.vendors.channels.destination import Destination, destination_of, problems_of
from relay.vendors.channels.sender import Accepted, Senders

__all__ = ["Accepted", "Destination", "Senders", "destination_of", "problems_of"]
