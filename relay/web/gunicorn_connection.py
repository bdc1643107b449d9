"""A client's connection, for relay's gunicorn worker."""

import errno
import selectors
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, Self

from gunicorn.workers.gthread import TConn

from relay.web.request_buffer import RequestBuffer

SLOWEST_READER = 10.0  # seconds to read a response that the kernel cannot buffer
# So many may wait at once: clients that do not read could otherwise occupy all threads.
_MAY_WAIT = threading.BoundedSemaphore(4)


class ClientSocket(socket.socket):
    """A socket that never blocks, but for the few that may wait while a large response is read."""

    @classmethod
    def of(cls, sock: socket.socket) -> Self:
        """The same connection; `sock` is closed."""
        return cls(sock.family, sock.type, sock.proto, fileno=sock.detach())

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send a response. Raises BlockingIOError if its client must be waited for in vain."""
        left = memoryview(data)
        left = left[self._send_now(left, flags) :]
        if left:
            self._send_rest(left, flags)

    def _send_rest(self, left: memoryview, flags: int) -> None:
        """More than the kernel buffers: wait for the client, for a limited time."""
        if not _MAY_WAIT.acquire(blocking=False):
            raise BlockingIOError(errno.EAGAIN, "too many clients do not read their response")
        try:
            deadline = time.monotonic() + SLOWEST_READER
            while left:
                wait = deadline - time.monotonic()
                if wait <= 0 or not _is_writable(self, wait):
                    raise BlockingIOError(errno.EAGAIN, "the client does not read its response")
                left = left[self._send_now(left, flags) :]
        finally:
            _MAY_WAIT.release()

    def _send_now(self, data: memoryview, flags: int) -> int:
        try:
            return self.send(data, flags)
        except BlockingIOError:
            return 0


def _is_writable(sock: socket.socket, within: float) -> bool:
    with selectors.PollSelector() as selector:
        selector.register(sock, selectors.EVENT_WRITE)
        return bool(selector.select(within))


class Connection(TConn):  # type: ignore[misc]
    """A client's connection. Its socket never blocks."""

    def __init__(self, cfg: Any, sock: socket.socket, client: Any, server: Any) -> None:
        super().__init__(cfg, ClientSocket.of(sock), client, server)
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
