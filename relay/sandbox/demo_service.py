"""The service of the demo: a `relay up` process, its settings, and its log lines."""

import json
import os
import queue
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import requests

from relay.operations.send import deliver
from relay.sandbox import story
from relay.sandbox.command import environment
from relay.sandbox.server import Sandbox
from relay.secret import Secret
from relay.vendors.session import Session

Line = dict[str, Any]

PORTS = (20_000, 32_000)
TIMEOUT = 20.0  # seconds for anything that usually takes one
KEPT_VARIABLES = ("PATH", "HOME", "PYTHONPATH")  # so that the service runs the demo's own code
_NOTIFY = """\
defaults: {notify: [data-alerts]}
notify:
  data-alerts: {kind: slack, url_env: RELAY_NOTIFY_SLACK}
"""

_NOT_SHOWN = frozenset({"timestamp", "level", "event", "dbt_account_id", "delivery_id"})


class FellShort(Exception):
    """What the demo expects did not happen."""


class Service:
    """A `relay up` process, and its log lines."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.seen: list[Line] = []
        self.show = True
        self.url = f"http://127.0.0.1:{port}"
        self._process = process
        self._lines: queue.SimpleQueue[Line | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline and self._process.poll() is None:
            self._take(0.1)
            try:
                with Session() as session:
                    if session.get(f"{self.url}/readyz", timeout=2).ok:
                        return
            except requests.RequestException:
                continue
        raise FellShort("relay did not become ready")

    def post(self, body: bytes) -> None:
        answer = deliver(body, f"{self.url}/webhooks/dbt", Secret(story.WEBHOOK_SECRET))
        if not answer.accepted:
            raise FellShort(f"the delivery was answered with HTTP {answer.http_status}")

    def wait_for(self, wanted: Callable[[Line], bool], what: str) -> Line:
        deadline = time.monotonic() + TIMEOUT
        looked_at = 0
        while True:
            for line in self.seen[looked_at:]:
                if wanted(line):
                    return line
            looked_at = len(self.seen)
            left = deadline - time.monotonic()
            if left <= 0:
                raise FellShort(f"waited {TIMEOUT:.0f} s for {what}")
            self._take(left)

    def watch(self) -> None:
        """Show its log lines until it ends, or this process is interrupted."""
        self.show = True
        while True:
            self._take(60.0)

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._reader.join(1)

    def left_behind(self) -> list[str]:
        status = self._process.returncode
        return [] if status == 0 else [f"`relay up` ended with exit status {status}"]

    def _take(self, seconds: float) -> None:
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            return
        if line is None:
            raise FellShort("relay ended by itself")
        self.seen.append(line)
        if self.show:
            _show(line)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for raw in lines:
                try:
                    self._lines.put(json.loads(raw))
                except ValueError:
                    self._lines.put({"event": "unreadable", "timestamp": "", "line": raw.decode()})
        self._lines.put(None)


@contextmanager
def service_of(
    sandbox: Sandbox, folder: str, more: Mapping[str, str] | None = None
) -> Iterator[Service]:
    """A service with the simulators as its vendors, and with what it keeps in `folder`.

    `more` are settings beside the demo's own.
    """
    mapping = Path(folder) / "syncs.yml"
    mapping.write_text(f"{story.MAPPING}{_NOTIFY}", encoding="utf-8")
    port = _free_port()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "relay", "up"],
        stdout=subprocess.PIPE,
        start_new_session=True,
        env={
            **{name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ},
            **environment(sandbox.dbt_cloud.url, sandbox.census.url),
            "PORT": str(port),
            "RELAY_DATA_DIR": f"{folder}/data",
            "RELAY_MAPPING": str(mapping),
            "RELAY_FOLLOW_INTERVAL": "1s",
            "RELAY_LOG_FORMAT": "json",
            "RELAY_MESSAGE_DELAY": "1s",
            **sandbox.channels.environment,
            **({"RELAY_URL": f"http://127.0.0.1:{port}", **more} if more else {}),
        },
    )
    service = Service(process, port)
    try:
        yield service
    finally:
        service.stop()


def _free_port() -> int:
    """A free port, outside of those that systems give to whoever asks for any."""
    while True:
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", random.randint(*PORTS)))  # noqa: S311 - no secret
            except OSError:
                continue
            port: int = sock.getsockname()[1]
            return port


def _show(line: Line) -> None:
    if line["event"] in ("library.logged", "census.version"):
        return
    at = line["timestamp"][11:23]
    fields = "  ".join(f"{key}={_brief(value)}" for key, value in line.items() if _is_shown(key))
    click.echo(f"  {at}  {click.style(line['event'].ljust(20), bold=True)} {fields}")


def _is_shown(key: str) -> bool:
    return key not in _NOT_SHOWN


def _brief(value: object) -> str:
    if isinstance(value, list):
        shown = ", ".join(map(str, value[:2]))
        return f"[{shown}, … {len(value)} in all]" if len(value) > 2 else f"[{shown}]"  # noqa: PLR2004
    return str(value)
