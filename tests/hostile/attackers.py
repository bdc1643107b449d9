"""Clients that mean harm, on real sockets, and a client that means well beside them."""

import contextlib
import http.client
import selectors
import socket
import threading
import time
from dataclasses import dataclass, field

from relay.dbt.deliveries import sign
from relay.sandbox import story

FORMED = "0" * 64  # a signature that is none, and looks like one
HEALTHZ = b"GET /healthz HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n\r\n"
METRICS = b"GET /metrics HTTP/1.1\r\nHost: relay\r\n\r\n"
MEBIBYTE = 2**20
LONGEST_ATTACK = 20.0  # seconds


def head(*more, signature=FORMED, path="/webhooks/dbt"):
    """The head of a delivery, which ends; `signature` None is none."""
    signed = [] if signature is None else [f"Authorization: {signature}"]
    lines = (f"POST {path} HTTP/1.1", "Host: relay", *signed, *more, "", "")
    return "\r\n".join(lines).encode()


def delivery(body):
    """A genuine delivery, over a connection that is kept."""
    signature = sign(body, story.WEBHOOK_SECRET.encode())
    return head(f"Content-Length: {len(body)}", signature=signature) + body


def connect(port, sends=b"", *, timeout=LONGEST_ATTACK):
    """A connection over which this much has been sent."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=timeout)
    sock.sendall(sends)
    return sock


@contextlib.contextmanager
def crowd(port, sends, number):
    """So many connections, each of which has sent this and leaves its side open."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(connect(port, sends)) for _ in range(number)]


def received(sock):
    """All that comes until the other side hangs up."""
    pieces = []
    with contextlib.suppress(ConnectionError):
        while piece := sock.recv(2**16):
            pieces.append(piece)
    return b"".join(pieces)


def answers_of(received_bytes):
    """The status of each answer in it."""
    lines = received_bytes.split(b"HTTP/1.1 ")[1:]
    return [int(line[:3]) for line in lines]


def send_bodies(port, number, *, signature=FORMED):
    """So many bodies of a mebibyte, each on its way with all others; the status of each answer."""
    beginning = head(f"Content-Length: {MEBIBYTE}", "Connection: close", signature=signature)
    left = {}
    with crowd(port, beginning, number) as clients:
        for sock in clients:
            sock.setblocking(False)
            left[sock] = memoryview(b"x" * MEBIBYTE)
        deadline = time.monotonic() + LONGEST_ATTACK
        while left and time.monotonic() < deadline:
            if sum(_send_some(sock, left) for sock in list(left)) == 0:
                time.sleep(0.01)
        for sock in clients:
            sock.settimeout(LONGEST_ATTACK)
        return [status for sock in clients for status in answers_of(received(sock))]


def _send_some(sock, left):
    """Send what can be sent now; whether anything was."""
    try:
        sent = sock.send(left[sock])
    except BlockingIOError:
        return False
    except OSError:  # it was refused, and hung up on
        sent = len(left[sock])
    left[sock] = left[sock][sent:]
    if not left[sock]:
        del left[sock]
    return True


@contextlib.contextmanager
def clients_that_read_nothing(port, number):
    """Each sends thousands of requests in one go, and takes none of the answers."""
    with contextlib.ExitStack() as stack:
        for _ in range(number):
            sock = stack.enter_context(socket.socket())
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**12)
            sock.connect(("127.0.0.1", port))
            sock.settimeout(0.1)
            with contextlib.suppress(OSError):
                sock.sendall(METRICS * 5_000)
        yield


def send_single_bytes(port):
    """A mebibyte in chunks of one byte; the status of the answer, None if there is none."""
    with connect(port, head("Transfer-Encoding: chunked")) as sock:
        with contextlib.suppress(ConnectionError):
            sock.sendall(b"1\r\nx\r\n" * MEBIBYTE)
        return next(iter(answers_of(received(sock))), None)


SLOW = {
    "a head": b"POST /webhooks/dbt HTTP/1.1\r\nHost: relay\r\nX-Slow: ",
    "a body": head("Content-Length: 1000") + b"{",
    "a chunk": head("Transfer-Encoding: chunked") + b"3e8\r\n{",
    "a trailer": head("Transfer-Encoding: chunked") + b"1\r\n{\r\n0\r\nX-Slow: ",
}


class Drip:
    """Clients that send a beginning, and then a byte now and then, until they are hung up on."""

    def __init__(self, port, beginnings, *, seconds_between):
        self.answered = {}  # by the beginning's number: the response, and seconds
        self._between = seconds_between
        self._selector = selectors.DefaultSelector()
        self._clients = {}
        self._began = time.monotonic()
        for number, beginning in enumerate(beginnings):
            sock = connect(port, beginning)
            self._clients[number] = sock
            self._selector.register(sock, selectors.EVENT_READ, number)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        for sock in self._clients.values():
            sock.close()

    def _run(self):
        next_byte = time.monotonic() + self._between
        while not self._stop.wait(0.05):
            for key, _ in self._selector.select(0):
                self._hear(key.data)
            if time.monotonic() >= next_byte:
                next_byte += self._between
                for number in list(self._clients):
                    with contextlib.suppress(OSError):
                        self._clients[number].send(b"x")

    def _hear(self, number):
        sock = self._clients[number]
        try:
            piece = sock.recv(2**16)
        except OSError:
            piece = b""
        answered, _ = self.answered.get(number, (b"", 0.0))
        self.answered[number] = (answered + piece, time.monotonic() - self._began)
        if not piece:
            self._selector.unregister(sock)
            self._clients.pop(number).close()


@dataclass
class Regular:
    """A client that means well: it asks again and again, each time over a new connection."""

    port: int
    requests: object  # an iterator of bytes
    expected: int
    between: float = 0.05
    seconds: list = field(default_factory=list)
    others: list = field(default_factory=list)

    def __enter__(self):
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _run(self):
        for request in self.requests:
            began = time.monotonic()
            try:
                status = ask(self.port, request)
            except OSError as exc:
                status = exc
            self.seconds.append(time.monotonic() - began)
            if status != self.expected:
                self.others.append(status)
            if self._stop.wait(self.between):
                return


def ask(port, request):
    """The status of the answer to one request, over a connection of its own."""
    with connect(port, request) as sock:
        answer = http.client.HTTPResponse(sock)
        answer.begin()
        answer.read()
        return answer.status
