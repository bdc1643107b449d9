"""A gunicorn worker in which no thread waits for a client, based on gunicorn 27's gthread.

gthread 27.0 gives each connection a thread, which reads the request however slow the client is. It
closes connections in its main loop, and blocks two seconds for each client that keeps its side
open. So a few hundred slow clients occupy all threads, and a dozen open connections stall the
loop. Here the main loop receives each request piece by piece, and waits for clients to close. A
thread gets the received request, and does not wait for the client to read the response.
"""

import errno
import selectors
import socket
import time
from collections.abc import Iterable
from concurrent.futures import Future
from itertools import takewhile
from typing import Any

from gunicorn.http.errors import ParseException
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, ThreadWorker

from relay.web.client_refusals import ClientRefusals, Reason, error_response
from relay.web.gunicorn_connection import Connection, Reaction, ignore
from relay.web.memory import return_freed_memory

REQUEST_SECONDS = 10.0  # to receive a whole request: dbt Cloud itself waits no longer
LINGER_SECONDS = 2.0  # for a client to read its response and close; the same as gunicorn's
MOST_DRAINED = 2**23  # bytes that it may still send meanwhile
PIECE = 2**14  # bytes received at once, so that every client is served
SMALL_REQUEST = 2**15  # bytes; a larger request needs a slot
LARGE_AT_ONCE = 4  # slots: each may need some megabytes while it is processed
OUT_OF_RESOURCES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
NO_CONNECTION = (errno.EAGAIN, errno.EWOULDBLOCK, errno.ECONNABORTED)


class ReceivingWorker(ThreadWorker):  # type: ignore[misc]
    """Accepts, receives and closes in the main loop, and processes requests in threads.

    A connection is receiving, or processed by a thread, or idle (gthread's `keepalived_conns`), or
    lingering: then what its client still sends is discarded. Each group is ordered by timeout.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._receiving: dict[Connection, None] = {}
        self._lingering: dict[Connection, None] = {}
        self._large: set[Connection] = set()  # connections with a slot for a large request
        self._paused: dict[Connection, None] = {}  # wait for a slot; not read from
        self._piece = memoryview(bytearray(PIECE))
        self._refusals = ClientRefusals()

    def init_process(self) -> None:
        """Set up the process, and run."""
        return_freed_memory()
        super().init_process()

    # Called by gthread's main loop and its threads

    def accept(self, listener: socket.socket) -> None:
        """Accept a new client. If there are too many, close the one that has waited longest."""
        try:
            sock, client = listener.accept()
        except OSError as exc:
            if exc.errno not in (*OUT_OF_RESOURCES, *NO_CONNECTION):
                raise
            if exc.errno in OUT_OF_RESOURCES and not self._evict_oldest():
                self.set_accept_enabled(False)  # the loop enables it again
            return
        self.nr_conns += 1
        if self.nr_conns >= self.worker_connections:
            self._evict_oldest()
        self._receive_from(Connection(self.cfg, sock, client, listener.getsockname()))

    def handle(self, conn: Connection) -> bool:
        """Process a request, in a thread; return whether the connection is kept open.

        Raises ParseException if the body is malformed.
        """
        try:
            is_kept: bool = self.handle_request(conn.received.take(), conn)
        except ParseException:
            raise
        except (ConnectionError, BlockingIOError, StopIteration) as exc:
            # Before StopIteration gunicorn has logged the cause, and closed the connection.
            self.log.debug("A client did not read its response: %s", exc)
            return False
        except Exception as exc:  # noqa: BLE001 - it ends this request only, and is logged
            self._refusals.count_failure(exc)
            conn.send(error_response(Reason.FAILED, None))
            return False
        return is_kept

    def finish_request(self, conn: Connection, future: "Future[bool]") -> None:
        """Continue with a connection after a thread has processed its request."""
        self._release_slot(conn)
        try:
            is_kept = not future.cancelled() and future.result()
        except ParseException as exc:
            self._refuse(conn, Reason.MALFORMED, exc)
            return
        if not is_kept:
            self._linger(conn)
            return
        conn.received.next_request()
        if len(conn.received):  # the client did not wait for the response
            self._receive_from(conn)
            self._advance(conn)
        else:
            self._idle(conn)

    def murder_pending(self) -> None:
        """Close connections that timed out. gthread calls this at least every second."""
        for conn in _overdue(self._receiving):
            reason = Reason.TOO_MANY_LARGE if conn.has_waited else Reason.TOO_SLOW
            self._stop_receiving(conn)
            if len(conn.received):
                self._refuse(conn, reason)
            else:
                self._close(conn)
        for conn in _overdue(self._lingering):
            self._stop_lingering(conn)
        self._refusals.log()

    # Receiving

    def _receive_from(self, conn: Connection) -> None:
        conn.wait(REQUEST_SECONDS)
        conn.has_waited = False
        self._receiving[conn] = None
        self._watch(conn, self._receive)

    def _receive(self, conn: Connection, sock: socket.socket) -> None:
        size = self._read(sock)
        if size == 0:
            self._stop_receiving(conn)
            self._close(conn)
        elif size:
            conn.received.add(self._piece[:size])
            self._advance(conn)

    def _advance(self, conn: Connection) -> None:
        try:
            is_received = conn.received.is_received()
        except ParseException as exc:
            self._stop_receiving(conn)
            self._refuse(conn, Reason.MALFORMED, exc)
            return
        except Exception as exc:  # noqa: BLE001 - an unexpected error of the parser must not end the worker
            self._stop_receiving(conn)
            self._refusals.count_failure(exc)
            conn.send(error_response(Reason.FAILED, None))
            self._linger(conn)
            return
        if is_received:
            self._stop_receiving(conn)
            # Unregister only when there is more to read: most clients wait for the response.
            conn.react = self._unwatch
            self.enqueue_req(conn)
            return
        if conn.received.takes_expectation():
            conn.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if len(conn.received) > SMALL_REQUEST:
            self._acquire_slot(conn)

    def _stop_receiving(self, conn: Connection) -> None:
        del self._receiving[conn]
        self._paused.pop(conn, None)

    def _acquire_slot(self, conn: Connection) -> None:
        if conn in self._large:
            return
        if len(self._large) < LARGE_AT_ONCE:
            self._large.add(conn)
        else:
            self._paused[conn] = None
            conn.has_waited = True
            self._unwatch(conn)

    def _release_slot(self, conn: Connection) -> None:
        if conn not in self._large:
            return
        self._large.remove(conn)
        for successor in list(self._paused)[:1]:
            del self._paused[successor]
            self._large.add(successor)
            self._watch(successor, self._receive)

    # Idle and closing connections

    def _idle(self, conn: Connection) -> None:
        conn.wait(self.cfg.keepalive if self.alive else STOP_KEEPALIVE_LINGER)
        self.keepalived_conns.append(conn)
        self._watch(conn, self._receive_next)

    def _receive_next(self, conn: Connection, sock: socket.socket) -> None:
        self.keepalived_conns.remove(conn)
        self._receive_from(conn)
        self._receive(conn, sock)

    def _refuse(self, conn: Connection, reason: Reason, problem: object = None) -> None:
        """Respond with an error instead of calling the application."""
        self._refusals.count(reason, problem)
        conn.send(error_response(reason, problem))
        self._linger(conn)

    def _linger(self, conn: Connection) -> None:
        """Shut down sending, and keep reading until the client has closed.

        Closing a socket with unread data resets the connection, and the response may be lost.
        """
        self._release_slot(conn)
        conn.received.clear()
        try:
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._close(conn)
            return
        conn.wait(LINGER_SECONDS)
        self._lingering[conn] = None
        self._watch(conn, self._drain)

    def _drain(self, conn: Connection, sock: socket.socket) -> None:
        size = self._read(sock)
        conn.drained += size or 0
        if size == 0 or conn.drained > MOST_DRAINED:
            self._stop_lingering(conn)

    def _stop_lingering(self, conn: Connection) -> None:
        del self._lingering[conn]
        self._close(conn)

    def _evict_oldest(self) -> bool:
        """Close the connection that has waited longest for its client; False if there is none."""
        if self._lingering:
            self._stop_lingering(next(iter(self._lingering)))
            return True
        first_of_each = [*list(self._receiving)[:1], *list(self.keepalived_conns)[:1]]
        if not first_of_each:
            return False
        oldest = min(first_of_each, key=lambda conn: conn.since)
        if oldest in self._receiving:
            self._stop_receiving(oldest)
        else:
            self.keepalived_conns.remove(oldest)
        self._refusals.count(Reason.CROWDED_OUT)
        self._close(oldest)
        return True

    def _close(self, conn: Connection) -> None:
        self._release_slot(conn)
        self._unwatch(conn)
        conn.react = ignore
        self.nr_conns -= 1
        conn.close()

    # The sockets

    def _watch(self, conn: Connection, react: Reaction) -> None:
        conn.react = react
        if not conn.is_watched:
            conn.is_watched = True
            self.poller.register(conn.sock, selectors.EVENT_READ, conn.on_readable)

    def _unwatch(self, conn: Connection, _: object = None) -> None:
        if conn.is_watched:
            conn.is_watched = False
            self.poller.unregister(conn.sock)

    def _read(self, sock: socket.socket) -> int | None:
        """How many bytes are in `_piece` now; 0 if the client has closed, None if none arrived."""
        try:
            return sock.recv_into(self._piece)
        except BlockingIOError:
            return None
        except OSError:
            return 0


def _overdue(connections: Iterable[Connection]) -> list[Connection]:
    now = time.monotonic()
    return list(takewhile(lambda conn: conn.timeout <= now, connections))
