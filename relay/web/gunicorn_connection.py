"""A client's connection, as relay's gunicorn worker keeps it."""

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
        self.since = 0.0  # when it came to be in its state; `timeout` is when that ends
        self.drained = 0
        self.has_waited = False  # for a place, while its request came in
        self.is_watched = False  # by the main loop
        self.react: Reaction = ignore

    def wait(self, seconds: float) -> None:
        """Note that it enters a state that lasts so long at most."""
        self.since = time.monotonic()
        self.timeout = self.since + seconds

    def send(self, answer: bytes) -> None:
        """Send what fits; a client that is gone, or takes nothing, misses it."""
        try:
            self.sock.send(answer)
        except OSError:
            return

    def on_readable(self, sock: socket.socket) -> None:
        """Do what the worker does in this state when something comes."""
        self.react(self, sock)


Reaction = Callable[[Connection, socket.socket], None]


def ignore(conn: Connection, sock: socket.socket) -> None:
    """React to what the loop had heard of a connection before it was closed."""
