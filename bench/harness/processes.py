"""Starts the measured and supporting processes, waits for them, and stops them."""

import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil

BENCH = Path(__file__).parents[1]
CHECKOUT = BENCH.parent
WEB = (sys.executable, "-m", "gunicorn", "-c", str(CHECKOUT / "config" / "gunicorn.conf.py"))
RELAY = (sys.executable, "-m", "relay")
PATIENCE = 30.0  # seconds for anything that usually takes one


@contextmanager
def folder() -> Iterator[Path]:
    """A temporary folder for a database and other files."""
    with tempfile.TemporaryDirectory(prefix="relay-bench-") as name:
        Path(name).chmod(0o711)  # run by root, PostgreSQL is another user, who needs this folder
        yield Path(name)


def environment_of(settings: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process with these settings and none of this process's own.

    PYTHONPATH is inherited: what `relay up` starts does not look for relay in the checkout.
    """
    inherited = ("PATH", "HOME", "TMPDIR", "PYTHONPATH")
    return {name: os.environ[name] for name in inherited if name in os.environ} | dict(settings)


@contextmanager
def running(
    command: Sequence[str], settings: Mapping[str, str], log: Path
) -> Iterator[psutil.Popen]:
    """A program with these settings, until the block ends; what it prints goes to `log`."""
    with log.open("ab") as output:
        process = psutil.Popen(
            command, cwd=CHECKOUT, env=environment_of(settings), stdout=output, stderr=output
        )
    try:
        yield process
    finally:
        _stop(process)


def _stop(process: psutil.Popen) -> None:
    """End a server as an operator would, and wait for it."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(60)
    except psutil.TimeoutExpired:
        process.kill()


@contextmanager
def child(work: Callable[..., None], *arguments: object) -> Iterator[Connection]:
    """Run `work(pipe, *arguments)` in a separate Python process until the block ends.

    Yields this process's end of the pipe.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(theirs, *arguments), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours
    finally:
        process.terminate()
        process.join()


class Remote:
    """An object in a process of its own."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def ask(self, method: str, *arguments: object) -> Any:
        """Call a method; what it raises ends both processes."""
        self._pipe.send((method, arguments))
        return self._pipe.recv()


@contextmanager
def remote(
    opened: Callable[..., AbstractContextManager[object]], *arguments: object
) -> Iterator[Remote]:
    """What `opened(*arguments)` yields, in a separate Python process until the block ends."""
    with child(_serve, opened, *arguments) as pipe:
        yield Remote(pipe)


def _serve(
    pipe: Connection,
    opened: Callable[..., AbstractContextManager[object]],
    *arguments: object,
) -> None:
    with opened(*arguments) as served:
        while True:
            method, given = pipe.recv()
            pipe.send(getattr(served, method)(*given))


def becomes_true(
    is_true: Callable[[], bool],
    *,
    within: float = PATIENCE,
    interval: float = 0.1,
    process: psutil.Popen | None = None,
) -> bool:
    """Poll until it is true, for so many seconds, or until `process` ends; whether it was."""
    deadline = time.monotonic() + within
    while not is_true():
        has_ended = process is not None and process.poll() is not None
        if has_ended or time.monotonic() > deadline:
            return False
        time.sleep(interval)
    return True


def wait_until(is_true: Callable[[], bool], what: str, *, within: float = PATIENCE) -> None:
    """Poll until it is true; end the benchmark if that takes too long."""
    if not becomes_true(is_true, within=within):
        raise SystemExit(f"waited {within:g} s for {what}")


@dataclass(frozen=True, slots=True)
class HttpServer:
    """A server, and the seconds from the start of its process to its first answer."""

    process: psutil.Popen
    port: int
    first_answer: float

    @property
    def pid(self) -> int:
        """Of its first process."""
        pid: int = self.process.pid
        return pid


@contextmanager
def http_server(
    command: Sequence[str], settings: Mapping[str, str], log: Path, *, port: int | None = None
) -> Iterator[HttpServer]:
    """A server that answers, until the block ends, on a free port that PORT tells it."""
    port = port or free_port()
    began = time.perf_counter()
    with running(command, {**settings, "PORT": str(port)}, log) as process:
        wait_for_answer(port, process)
        yield HttpServer(process, port, time.perf_counter() - began)


def wait_for_answer(port: int, process: psutil.Popen) -> None:
    """Return as soon as the server responds to an HTTP request."""
    if not becomes_true(lambda: _answers(port), process=process, interval=0.002):
        raise SystemExit(f"{process.args} does not answer")


def wait_for_work(log: Path, process: psutil.Popen) -> None:
    """Return as soon as a worker has logged that it started."""
    if not becomes_true(lambda: b"worker.started" in log.read_bytes(), process=process):
        raise SystemExit(log.read_text(encoding="utf-8"))


def free_port() -> int:
    """A free port."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as sock:
            sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
            return sock.recv(4) == b"HTTP"
    except OSError:
        return False
