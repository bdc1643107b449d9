"""Sends signed deliveries over keep-alive connections, with little CPU of its own.

All requests are prepared before the clock starts; then one epoll loop sends them. It runs in a
forked process, so that its CPU is measured separately.
"""

import functools
import gc
import json
import multiprocessing
import select
import socket
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Self

import requests

from relay.dbt.deliveries import sign
from relay.sandbox import story
from relay.sandbox.server import open_sandbox

LONGEST_ANSWER = 10.0  # seconds; dbt Cloud itself waits no longer
MOST_PER_SECOND = 6000  # deliveries prepared for each second of a window
ACCEPTED = 202
SENT_AGAIN_AFTER = 1.0  # seconds, where a delivery was not accepted


@dataclass(frozen=True, slots=True)
class Target:
    """Where deliveries go, and the secret they are signed with."""

    port: int
    path: str = "/webhooks/dbt"  # relay's
    secret: bytes = story.WEBHOOK_SECRET.encode()


@dataclass(frozen=True, slots=True)
class Template:
    """A template of a delivery's body, filled in for each number."""

    body: bytes
    event_id: bytes
    dbt_run_id: bytes

    @classmethod
    def of_sandbox(cls) -> Self:
        """The webhook of the sandbox's nightly run."""
        dbt_cloud = open_sandbox().dbt_cloud
        dbt_cloud.add_run(story.nightly_run())
        body = dbt_cloud.completed_event(story.FIRST_DBT_RUN_ID)
        event_id: str = json.loads(body)["eventId"]
        return cls(body, event_id.encode(), b"%d" % story.FIRST_DBT_RUN_ID)

    def deliveries(self, target: Target, numbers: range) -> Iterator[bytes]:
        """The whole HTTP requests, signed."""
        for number in numbers:
            body = self.body.replace(self.event_id, event_id(number).encode())
            body = body.replace(self.dbt_run_id, b"%d" % number)
            yield request(target, body)


@dataclass(slots=True)
class Outcome:
    """The result of a window. Seconds; `accepted` has the numbers that got a 202."""

    accepted: list[int] = field(default_factory=list)
    refused: int = 0
    reconnected: int = 0
    latencies: list[float] = field(default_factory=list)
    elapsed: float = 0.0
    own_cpu: float = 0.0

    @property
    def rate(self) -> float:
        """Responses a second."""
        return len(self.latencies) / self.elapsed


@dataclass(slots=True)
class _Client:
    sock: socket.socket
    number: int = 0
    sent_at: float = 0.0
    received: bytes = b""


def event_id(number: int) -> str:
    """The event id of the delivery with this number, as long as dbt's own."""
    return f"wev_{number:027d}"


class Load:
    """Deliveries of new events, each of another dbt run."""

    def __init__(self) -> None:
        self._template = Template.of_sandbox()
        self._next = story.FIRST_DBT_RUN_ID + 1

    def offer(
        self,
        target: Target,
        *,
        concurrency: int,
        seconds: float,
        beside: AbstractContextManager[object] | None = None,
    ) -> Outcome:
        """Keep so many deliveries in progress for so many seconds.

        `beside` is entered when all are prepared, and left when the clock has stopped.
        """
        numbers = range(self._next, self._next + int(seconds * MOST_PER_SECOND))
        self._next = numbers.stop
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("fork").Process(
            target=_work, args=(theirs, target, self._template, numbers, concurrency, seconds)
        )
        process.start()
        theirs.close()
        try:
            ours.recv()  # everything is prepared
            with beside or nullcontext():
                ours.send("go")
                outcome: Outcome = ours.recv()
            return outcome
        finally:
            process.join()


def _work(
    parent: Connection,
    target: Target,
    template: Template,
    numbers: range,
    concurrency: int,
    seconds: float,
) -> None:
    loop = _Loop(target, numbers, list(template.deliveries(target, numbers)))
    loop.connect(concurrency)
    gc.disable()
    parent.send("ready")
    parent.recv()
    parent.send(loop.run(seconds))


class _Loop:
    def __init__(self, target: Target, numbers: range, requests: list[bytes]) -> None:
        self._target = target
        self._left = iter(zip(numbers, requests, strict=True))
        self._poll = select.epoll()
        self._clients: dict[int, _Client] = {}
        self._in_progress = 0
        self._outcome = Outcome()

    def connect(self, concurrency: int) -> None:
        for _ in range(concurrency):
            self._add(_Client(self._connection()))

    def run(self, seconds: float) -> Outcome:
        cpu, began = time.process_time(), time.perf_counter()
        deadline = began + seconds
        for client in self._clients.values():
            self._send_next(client)
        while self._in_progress:
            ready = self._poll.poll(LONGEST_ANSWER)
            if not ready:
                raise SystemExit("the server does not answer any more")
            for file, _ in ready:
                self._read(self._clients[file], deadline)
        self._outcome.elapsed = time.perf_counter() - began
        self._outcome.own_cpu = time.process_time() - cpu
        return self._outcome

    def _read(self, client: _Client, deadline: float) -> None:
        piece = client.sock.recv(65536)
        client.received += piece
        head, found, body = client.received.partition(b"\r\n\r\n")
        if not piece:
            raise SystemExit("the server hung up in the middle of an answer")
        if not found:
            return
        status, length, is_kept = parse_head(head)
        if len(body) < length:
            return
        now = time.perf_counter()
        self._note(client, status, now)
        if not is_kept:
            client = self._reconnect(client)
        if now < deadline:
            self._send_next(client)

    def _note(self, client: _Client, status: int, now: float) -> None:
        self._in_progress -= 1
        self._outcome.latencies.append(now - client.sent_at)
        if status == ACCEPTED:
            self._outcome.accepted.append(client.number)
        else:
            self._outcome.refused += 1

    def _send_next(self, client: _Client) -> None:
        delivery = next(self._left, None)
        if delivery is None:
            return  # more than MOST_PER_SECOND got a response
        client.number, request = delivery
        client.received = b""
        client.sent_at = time.perf_counter()
        client.sock.sendall(request)
        self._in_progress += 1

    def _reconnect(self, client: _Client) -> _Client:
        self._poll.unregister(client.sock)
        del self._clients[client.sock.fileno()]
        client.sock.close()
        self._outcome.reconnected += 1
        return self._add(_Client(self._connection()))

    def _add(self, client: _Client) -> _Client:
        self._clients[client.sock.fileno()] = client
        self._poll.register(client.sock, select.EPOLLIN)
        return client

    def _connection(self) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", self._target.port), timeout=LONGEST_ANSWER)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock


@functools.lru_cache(maxsize=64)  # a head changes with its Date, once a second
def parse_head(head: bytes) -> tuple[int, int, bool]:
    """A response's status, the length of its body, and whether the connection stays open."""
    first, *lines = head.decode("latin-1").lower().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    is_kept = headers.get("connection", "keep-alive") != "close"
    return int(first.split()[1]), int(headers["content-length"]), is_kept


def request(target: Target, body: bytes) -> bytes:
    """A delivery's whole HTTP request, signed."""
    signature = sign(body, target.secret)
    head = (
        f"POST {target.path} HTTP/1.1",
        "Host: relay.example.com",
        "User-Agent: Go-http-client/1.1",
        f"Content-Length: {len(body)}",
        f"Authorization: {signature}",
        "Content-Type: application/json",
        "Accept-Encoding: gzip",
    )
    return "\r\n".join((*head, "", "")).encode() + body


def deliver(port: int, body: bytes) -> requests.Response:
    """One delivery to a web of relay's, over a connection of its own."""
    headers = {"Authorization": sign(body, story.WEBHOOK_SECRET.encode())}
    url = f"http://127.0.0.1:{port}/webhooks/dbt"
    return requests.post(url, data=body, headers=headers, timeout=10)
