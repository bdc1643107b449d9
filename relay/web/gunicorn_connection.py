"""A client's connection, for relay's gunicorn worker."""

import socket
import time
from collections.abc import Callable
from typing import Any

from gunicorn.workers.gthread import TConn

from relay.web.request_buffer import RequestBuffer


class Connection(TConn):  # type: ignore[misc]
    """A client's connection. Its socket never blocks."""

    def __init__(self, cfg: Any, sock: socket.socket, client: Any, server: Any) -> None:
        super().__init__(cfg, sock, client, server)
        self.received = RequestBuffer(cfg, client)
        self.since = 0.0  # when its current state began; `timeout` is when that ends
        self.drained = 0
        self.has_waited = False  # for a slot, while it was received
        self.is_watched = False  # registered with the main loop
        self.react: Reaction = ignore

    def wait(self, seconds: float) -> None:
        """Enter a state that lasts at most so many seconds."""
        self.since = time.monotonic()
        self.timeout = self.since + seconds

    def send(self, answer: bytes) -> None:
        """Send without blocking; the rest is lost if the client does not read, or has closed."""
        try:
            self.sock.send(answer)
        except OSError:
            return

    def on_readable(self, sock: socket.socket) -> None:
        """Call the handler of the current state."""
        self.react(self, sock)


Reaction = Callable[[Connection, socket.socket], None]


def ignore(conn: Connection, sock: socket.socket) -> None:
    """Ignore an event that the loop received before the connection was closed."""
