"""What sends a message to a channel, as the worker needs it."""

from datetime import datetime
from typing import Protocol

from relay.channels import Channel
from relay.messages.message import Message


class Sender(Protocol):
    """Sends messages to the channels of the mapping file."""

    def send(self, channel: Channel, message: Message, *, at: datetime) -> object:
        """Send a message once, within seconds; `at` is now.

        Raises Unavailable if it may be sent again, Rejected if that does not help.
        """
