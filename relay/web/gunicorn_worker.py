"""A gunicorn worker in which no thread waits for a client. It builds on gunicorn 27's gthread.

gthread 27.0 gives each connection a thread, which reads the request however slowly it comes, and
closes connections in its main loop, two seconds for each client that leaves its side open. So a
few hundred slow clients take all threads, and a dozen open ones stop the loop. Here the main
loop receives each request piece by piece, and waits for clients to hang up. A thread is given
what has been received, and does not wait for its client to take the answer.
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

from relay.web.client_refusals import ClientRefusals, Reason, answer_to
from relay.web.gunicorn_connection import Connection, Reaction, ignore
from relay.web.memory import return_freed_memory

REQUEST_SECONDS = 10.0  # for a whole request to come in: dbt Cloud itself waits no longer
LINGER_SECONDS = 2.0  # for a client to read its answer and hang up; as long as gunicorn's
MOST_DRAINED = 2**23  # bytes of its own that it may still send meanwhile
PIECE = 2**14  # bytes received at once: everybody gets a turn
SMALL_REQUEST = 2**15  # bytes; a larger request needs a place
LARGE_AT_ONCE = 4  # places: each may take some megabytes while it is worked on
OUT_OF_RESOURCES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
NOBODY_THERE = (errno.EAGAIN, errno.EWOULDBLOCK, errno.ECONNABORTED)


class ReceivingWorker(ThreadWorker):  # type: ignore[misc]
    """Accepts, receives and hangs up in the main loop, and works on requests in threads.

    A connection is being received from, or a thread works on it, or it is idle (gthread's
    `keepalived_conns`), or it lingers: what its client still sends is thrown away. All of them
    are kept in the order in which their time is up.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._receiving: dict[Connection, None] = {}
        self._lingering: dict[Connection, None] = {}
        self._large: set[Connection] = set()  # those with a place for a large request
        self._paused: dict[Connection, None] = {}  # wait for a place; not read from
        self._piece = memoryview(bytearray(PIECE))
        self._refusals = ClientRefusals()

    def init_process(self) -> None:
        """Set the process up, and run."""
        return_freed_memory()
        super().init_process()

    # What gthread's main loop and its threads call

    def accept(self, listener: socket.socket) -> None:
        """Take a new client. If there is no room, the one that is waited for longest goes."""
        try:
            sock, client = listener.accept()
        except OSError as exc:
            if exc.errno not in (*OUT_OF_RESOURCES, *NOBODY_THERE):
                raise
            if exc.errno in OUT_OF_RESOURCES and not self._crowd_one_out():
                self.set_accept_enabled(False)  # the loop enables it again
            return
        self.nr_conns += 1
        if self.nr_conns >= self.worker_connections:
            self._crowd_one_out()
        self._receive_from(Connection(self.cfg, sock, client, listener.getsockname()))

    def handle(self, conn: Connection) -> bool:
        """Answer a request, in a thread; whether the connection can be kept.

        Raises ParseException where the body is malformed.
        """
        try:
            is_kept: bool = self.handle_request(conn.received.take(), conn)
        except ParseException:
            raise
        except (ConnectionError, BlockingIOError, StopIteration) as exc:
            # After StopIteration gunicorn has logged why, and hung up.
            self.log.debug("A client did not take its answer: %s", exc)
            return False
        except Exception as exc:  # noqa: BLE001 - it ends this request only, and is logged
            self._refusals.count_failure(exc)
            conn.send(answer_to(Reason.FAILED, None))
            return False
        return is_kept

    def finish_request(self, conn: Connection, future: "Future[bool]") -> None:
        """Go on with a connection that a thread has worked on."""
        self._give_up_place(conn)
        try:
            is_kept = not future.cancelled() and future.result()
        except ParseException as exc:
            self._refuse(conn, Reason.MALFORMED, exc)
            return
        if not is_kept:
            self._linger(conn)
            return
        conn.received.go_on()
        if len(conn.received):  # the client did not wait for the answer
            self._receive_from(conn)
            self._advance(conn)
        else:
            self._idle(conn)

    def murder_pending(self) -> None:
        """End what has lasted too long. gthread calls this every second at least."""
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
        except Exception as exc:  # noqa: BLE001 - what the parser did not foresee ends no worker
            self._stop_receiving(conn)
            self._refusals.count_failure(exc)
            conn.send(answer_to(Reason.FAILED, None))
            self._linger(conn)
            return
        if is_received:
            self._stop_receiving(conn)
            # Not before there is more to read: most clients wait for their answer.
            conn.react = self._unwatch
            self.enqueue_req(conn)
            return
        if conn.received.takes_expectation():
            conn.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if len(conn.received) > SMALL_REQUEST:
            self._take_place(conn)

    def _stop_receiving(self, conn: Connection) -> None:
        del self._receiving[conn]
        self._paused.pop(conn, None)

    def _take_place(self, conn: Connection) -> None:
        if conn in self._large:
            return
        if len(self._large) < LARGE_AT_ONCE:
            self._large.add(conn)
        else:
            self._paused[conn] = None
            conn.has_waited = True
            self._unwatch(conn)

    def _give_up_place(self, conn: Connection) -> None:
        if conn not in self._large:
            return
        self._large.remove(conn)
        for successor in list(self._paused)[:1]:
            del self._paused[successor]
            self._large.add(successor)
            self._watch(successor, self._receive)

    # Idling, and ending

    def _idle(self, conn: Connection) -> None:
        conn.wait(self.cfg.keepalive if self.alive else STOP_KEEPALIVE_LINGER)
        self.keepalived_conns.append(conn)
        self._watch(conn, self._receive_next)

    def _receive_next(self, conn: Connection, sock: socket.socket) -> None:
        self.keepalived_conns.remove(conn)
        self._receive_from(conn)
        self._receive(conn, sock)

    def _refuse(self, conn: Connection, reason: Reason, problem: object = None) -> None:
        """Answer in place of the application, which gets whole requests only."""
        self._refusals.count(reason, problem)
        conn.send(answer_to(reason, problem))
        self._linger(conn)

    def _linger(self, conn: Connection) -> None:
        """Say that no more will come, and go on reading until the client has hung up.

        A socket that is closed with something unread in it takes the answer back.
        """
        self._give_up_place(conn)
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

    def _crowd_one_out(self) -> bool:
        """Close the connection that is waited for longest; False if none is waited for."""
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
        self._give_up_place(conn)
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
        """How many bytes are in `_piece` now; 0 if the client is gone, None if none came."""
        try:
            return sock.recv_into(self._piece)
        except BlockingIOError:
            return None
        except OSError:
            return 0


def _overdue(connections: Iterable[Connection]) -> list[Connection]:
    now = time.monotonic()
    return list(takewhile(lambda conn: conn.timeout <= now, connections))
