"""dbt Cloud and Census for a benchmark: fast simulators that use little CPU.

Their responses are those of the sandbox's simulators, sent by one event loop instead of a thread
and a framework for each request. They run in a separate process, and deliver dbt Cloud's webhooks.
"""

import asyncio
import re
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from multiprocessing.connection import Connection
from typing import Any, cast

from werkzeug.wrappers import Response

from harness.jobs import Jobs
from harness.load import ACCEPTED, SENT_AGAIN_AFTER, Target, parse_head, request
from harness.processes import child
from relay.sandbox import story, webhooks
from relay.sandbox.census import SandboxCensus
from relay.sandbox.census_answers import paged, sync_run_json
from relay.sandbox.command import environment
from relay.sandbox.dbt_answers import enveloped, error, run_json
from relay.sandbox.dbt_runs import SandboxRun
from relay.sandbox.wire import as_json

RELATED = frozenset({"trigger", "job", "run_steps"})


@dataclass(slots=True)
class Delivered:
    """A dbt run whose end was reported. Times in seconds."""

    dbt_run_id: int
    sent_at: float
    accepted_at: float = 0.0  # when the 202 came
    triggered_at: float = 0.0  # when Census received the first POST of its syncs


@dataclass(slots=True)
class Window:
    """The result of a window, and the CPU seconds of the vendors themselves."""

    seconds: float
    own_cpu: float
    refused: int
    delivered: list[Delivered] = field(default_factory=list)
    behind: list[int] = field(default_factory=list)  # each second: reported, and not triggered yet


class Vendors:
    """The process, controlled by a benchmark."""

    def __init__(self, pipe: Connection, url: str) -> None:
        self._pipe = pipe
        self.settings = environment(url, url)

    def offer(self, ports: Sequence[int], *, rate: float, seconds: float) -> Window:
        """Report so many runs a second, at a constant rate."""
        window: Window = self._ask("offer", list(ports), rate, seconds)
        return window

    def keep_in_progress(self, ports: Sequence[int], *, number: int, seconds: float) -> Window:
        """Keep so many runs in progress, each from its delivery until a sync is triggered."""
        window: Window = self._ask("keep_in_progress", list(ports), number, seconds)
        return window

    def one_at_a_time(self, ports: Sequence[int], *, number: int, pause: float) -> Window:
        """Report so many runs, each when a sync of the former is triggered, and after a pause."""
        window: Window = self._ask("one_at_a_time", list(ports), number, pause)
        return window

    def polls(self) -> dict[int, list[float]]:
        """The times of the polls of each sync run, in seconds."""
        polls: dict[int, list[float]] = self._ask("polls")
        return polls

    def sync_runs(self) -> list[int]:
        """The ids of all sync runs that Census has started."""
        sync_runs: list[int] = self._ask("sync_runs")
        return sync_runs

    def own_cpu(self) -> float:
        """Seconds of CPU they have taken so far."""
        seconds: float = self._ask("own_cpu")
        return seconds

    def _ask(self, *question: object) -> Any:
        self._pipe.send(question)
        return self._pipe.recv()


@contextmanager
def vendors(jobs: Jobs, *, sync_runs_take: timedelta | None) -> Iterator[Vendors]:
    """Both, until the block ends; with None no sync run ever ends."""
    with child(_serve, jobs, sync_runs_take) as pipe:
        yield Vendors(pipe, pipe.recv())


class _Both:
    """Both vendors; a dbt run exists from the moment its end is reported."""

    def __init__(self, jobs: Jobs, sync_runs_take: timedelta | None) -> None:
        self._jobs = jobs
        self._census = SandboxCensus(story.CENSUS_API_KEY, runs_take=sync_runs_take)
        for sync in jobs.census_syncs():
            self._census.add_sync(sync)
        self._runs: dict[int, SandboxRun] = {}
        self._polls: dict[int, list[float]] = defaultdict(list)
        self._waiting: dict[int, list[_Waiting]] = defaultdict(list)  # for a sync's trigger
        self._connections: dict[int, list[_Streams]] = defaultdict(list)
        self._refused = 0

    # Responses

    def answer(self, path: str, query: str) -> Response:
        """The response to any request of relay."""
        for pattern, view in _VIEWS:
            if found := pattern.fullmatch(path):
                return view(self, int(found[1]), found[2] if found.lastindex == 2 else "", query)
        return error(404)

    def get_run(self, dbt_run_id: int, _: str, __: str) -> Response:
        account, run = story.DBT_ACCOUNT_ID, self._runs[dbt_run_id]
        now = datetime.now(UTC)
        return enveloped(
            run_json(run, dbt_account_id=account, related=RELATED, host_url="", now=now)
        )

    def get_artifact(self, dbt_run_id: int, name: str, query: str) -> Response:
        artifact = self._runs[dbt_run_id].artifact(name, int(query.removeprefix("step=")))
        return error(404) if artifact is None else Response(artifact, mimetype="application/json")

    def trigger(self, sync_id: int, _: str, __: str) -> Response:
        now = time.time()
        for waiting in self._waiting.pop(sync_id, ()):
            waiting.delivered.triggered_at = waiting.delivered.triggered_at or now
            waiting.until.set()
        return _success({"sync_run_id": self._census.trigger(sync_id).sync_run_id})

    def get_sync_run(self, sync_run_id: int, _: str, __: str) -> Response:
        self._polls[sync_run_id].append(time.time())
        return _success(self._sync_run_json(sync_run_id))

    def list_sync_runs(self, sync_id: int, _: str, __: str) -> Response:
        newest_first = self._census.sync_runs_of(sync_id)[::-1]
        return as_json(
            paged([self._sync_run_json(run.sync_run_id) for run in newest_first], {}, "")
        )

    def _sync_run_json(self, sync_run_id: int) -> dict[str, Any]:
        run = self._census.sync_run(sync_run_id)
        return sync_run_json(run, status=self._census.status(run), now=self._census.now())

    # Commands of the benchmark

    async def offer(self, ports: list[int], rate: float, seconds: float) -> Window:
        in_progress: list[asyncio.Task[_Waiting]] = []
        behind: list[int] = []

        async def deliver_all() -> None:
            began = time.monotonic()
            for number in range(int(rate * seconds)):
                await asyncio.sleep(began + number / rate - time.monotonic())
                in_progress.append(asyncio.create_task(self._deliver(ports[number % len(ports)])))
                if number % int(rate) == 0:
                    behind.append(self._behind)

        window = await self._measured(deliver_all())
        window.behind = [*behind, self._behind]
        window.delivered = [(await each).delivered for each in in_progress]
        return window

    async def keep_in_progress(self, ports: list[int], number: int, seconds: float) -> Window:
        until = time.monotonic() + seconds
        delivered: list[Delivered] = []

        async def one_after_the_other(port: int) -> None:
            while time.monotonic() < until:
                waiting = await self._deliver(port)
                await waiting.until.wait()
                delivered.append(waiting.delivered)

        async def all_lanes() -> None:
            ports_of_lanes = [ports[lane % len(ports)] for lane in range(number)]
            await asyncio.gather(*map(one_after_the_other, ports_of_lanes))

        window = await self._measured(all_lanes())
        window.delivered = delivered
        return window

    async def one_at_a_time(self, ports: list[int], number: int, pause: float) -> Window:
        delivered: list[Delivered] = []

        async def one_after_the_other() -> None:
            for at in range(number):
                await asyncio.sleep(pause)
                waiting = await self._deliver(ports[at % len(ports)])
                await waiting.until.wait()
                delivered.append(waiting.delivered)

        window = await self._measured(one_after_the_other())
        window.delivered = delivered
        return window

    async def polls(self) -> dict[int, list[float]]:
        return dict(self._polls)

    async def sync_runs(self) -> list[int]:
        return [each.sync_run_id for each in self._census.sync_runs]

    async def own_cpu(self) -> float:
        return time.process_time()

    async def _measured(self, work: Awaitable[None]) -> Window:
        cpu, began, refused = time.process_time(), time.monotonic(), self._refused
        await work
        seconds = time.monotonic() - began
        return Window(seconds, time.process_time() - cpu, self._refused - refused)

    @property
    def _behind(self) -> int:
        return len({id(each) for waiting in self._waiting.values() for each in waiting})

    async def _deliver(self, port: int) -> "_Waiting":
        number, now = len(self._runs), datetime.now(UTC)
        run = self._jobs.run(number, ended=now).with_times(now)
        self._runs[run.dbt_run_id] = run
        body = webhooks.completed_event(run, dbt_account_id=story.DBT_ACCOUNT_ID, at=now)
        target = Target(port)
        waiting = _Waiting(Delivered(run.dbt_run_id, time.time()))
        for sync_id in self._jobs.syncs(number % self._jobs.number):
            self._waiting[sync_id].append(waiting)
        while await self._send(port, request(target, body)) != ACCEPTED:
            self._refused += 1
            await asyncio.sleep(SENT_AGAIN_AFTER)
        waiting.delivered.accepted_at = time.time()
        return waiting

    async def _send(self, port: int, content: bytes) -> int:
        """Over a keep-alive connection; returns the response status."""
        kept = self._connections[port]
        reader, writer = kept.pop() if kept else await asyncio.open_connection("127.0.0.1", port)
        writer.write(content)
        head = await reader.readuntil(b"\r\n\r\n")
        status, length, is_kept = parse_head(head.removesuffix(b"\r\n\r\n"))
        await reader.readexactly(length)
        if is_kept:
            kept.append((reader, writer))
        else:
            writer.close()
        return status


@dataclass(slots=True)
class _Waiting:
    delivered: Delivered
    until: asyncio.Event = field(default_factory=asyncio.Event)  # one of its syncs is triggered


_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_View = Callable[[_Both, int, str, str], Response]
_VIEWS: tuple[tuple[re.Pattern[str], _View], ...] = (
    (re.compile(r"/api/v2/accounts/\d+/runs/(\d+)/"), _Both.get_run),
    (re.compile(r"/api/v2/accounts/\d+/runs/(\d+)/artifacts/(.+)"), _Both.get_artifact),
    (re.compile(r"/api/v1/syncs/(\d+)/trigger"), _Both.trigger),
    (re.compile(r"/api/v1/sync_runs/(\d+)"), _Both.get_sync_run),
    (re.compile(r"/api/v1/syncs/(\d+)/sync_runs"), _Both.list_sync_runs),
)


class _Http(asyncio.Protocol):
    """The part of HTTP/1.1 that relay uses: keep-alive connections, and no request bodies."""

    def __init__(self, answer: Callable[[str, str], Response]) -> None:
        self._answer = answer
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            path, _, query = head.split(b" ", 2)[1].decode().partition("?")
            self._transport.write(_as_bytes(self._answer(path, query)))


def _as_bytes(answer: Response) -> bytes:
    body = answer.get_data()
    head = (
        f"HTTP/1.1 {answer.status}",
        f"Content-Type: {answer.content_type}",
        f"Content-Length: {len(body)}",
        f"Date: {formatdate(usegmt=True)}",
    )
    return "\r\n".join((*head, "", "")).encode() + body


def _success(answer: dict[str, Any]) -> Response:
    return as_json({"status": "success", "data": answer})


def _serve(pipe: Connection, jobs: Jobs, sync_runs_take: timedelta | None) -> None:
    with suppress(EOFError, KeyboardInterrupt):  # the benchmark has ended
        asyncio.run(_work(pipe, _Both(jobs, sync_runs_take)))


async def _work(pipe: Connection, both: _Both) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Http(both.answer), "127.0.0.1", 0)
    pipe.send(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    while True:
        name, *arguments = await asyncio.to_thread(pipe.recv)
        pipe.send(await getattr(both, name)(*arguments))
