"""`relay demo`: the real service with the sandbox, one nightly run, and the results.

Web, worker and database are started by `relay up` as separate processes; the output is their log
lines.
"""

import json
import os
import queue
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click
import requests

from relay.commands.tables import table
from relay.operations.send import deliver
from relay.sandbox import story
from relay.sandbox.command import environment
from relay.sandbox.server import Sandbox, open_sandbox
from relay.secret import Secret
from relay.vendors.session import Session

Line = dict[str, Any]

TIMEOUT = 20.0  # seconds for anything that usually takes one
RUNS_TAKE = timedelta(seconds=1)
TIMED_DELIVERIES = 5
SLOWEST_MEDIAN = 0.3  # seconds from delivery to sync.triggered
KEPT_VARIABLES = ("PATH", "HOME", "PYTHONPATH")  # so that the service runs the demo's own code

_NOT_SHOWN = frozenset({"timestamp", "level", "event", "dbt_account_id", "delivery_id"})


def run() -> int:
    """Run the demo; return 0 if every result was as expected, otherwise 1."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="relay-demo-") as folder:
        Path(folder).chmod(0o711)  # run by root, PostgreSQL is another user, who needs this folder
        with open_sandbox(runs_take=RUNS_TAKE) as sandbox, _service(sandbox, folder) as service:
            try:
                failures = _play(sandbox, service)
            except _FellShort as exc:
                failures = [str(exc)]
        failures += service.left_behind()
    for failure in failures:
        click.echo(f"FAILED: {failure}")
    click.echo(f"\n{'Failed' if failures else 'Done'} in {time.monotonic() - began:.1f} s.")
    return 1 if failures else 0


def _play(sandbox: Sandbox, service: "_Service") -> list[str]:
    _say(f"A simulated dbt Cloud at {sandbox.dbt_cloud.url}, Census at {sandbox.census.url}.")
    _say("Starting relay: its database, web and worker.")
    service.wait_until_ready()

    _say("First run: `dbt build`, then `dbt docs generate`. Every model succeeds.")
    good = _deliver(sandbox, service, story.FIRST_DBT_RUN_ID, "build")
    good_ends = _until_all_ended(service, good)

    _say("Second run: a model fails, so the syncs that read it are withheld.")
    bad = _deliver(sandbox, service, story.FIRST_DBT_RUN_ID + 1, "build_model_error")
    bad_ends = _until_all_ended(service, bad)

    _say("Results:")
    rows = [*_rows(service, good, good_ends), *_rows(service, bad, bad_ends)]
    heading = ("dbt run", "model", "sync", "sync run id", "outcome")
    click.echo("\n".join(table(heading, rows)))

    median = _time_deliveries(sandbox, service)
    click.echo(
        f"\nDelivery to sync.triggered, idle service: median {median * 1000:.0f} ms "
        f"of {TIMED_DELIVERIES}."
    )
    return list(_failures(sandbox, good, good_ends, bad, median))


def _failures(
    sandbox: Sandbox, good: Line, good_ends: list[Line], bad: Line, median: float
) -> Iterator[str]:
    expected = sorted(sync.sync_id for sync in story.SYNCS)
    if sorted(good["triggers"]) != expected:
        yield f"the good night triggered {good['triggers']}, not {expected}"
    if any(end["outcome"] != "completed" for end in good_ends):
        yield "a sync run of the good night did not complete"
    if not bad["withheld"]:
        yield "the bad night withheld nothing"
    if median > SLOWEST_MEDIAN:
        yield f"a median of {median:.2f} s from delivery to sync.triggered, over {SLOWEST_MEDIAN}"
    skipped = [run for run in sandbox.census.sync_runs if sandbox.census.status(run) == "skipped"]
    if skipped:
        yield f"{len(skipped)} sync runs were triggered while another was running"


def _deliver(sandbox: Sandbox, service: "_Service", dbt_run_id: int, recording: str) -> Line:
    """Deliver the webhook of a run's end, and wait for relay's plan."""
    sandbox.dbt_cloud.add_run(story.nightly_run(dbt_run_id, recording=recording))
    service.post(sandbox.dbt_cloud.completed_event(dbt_run_id))
    return service.wait_for(
        lambda line: line["event"] == "dbt_run.planned" and line["dbt_run_id"] == dbt_run_id,
        f"the plan for dbt run {dbt_run_id}",
    )


def _until_all_ended(service: "_Service", plan: Line) -> list[Line]:
    return [
        service.wait_for(
            lambda line, sync_id=sync_id: (  # type: ignore[misc]
                line["event"] == "sync_run.finished"
                and line["sync_id"] == sync_id
                and plan["dbt_run_id"] in line["dbt_run_ids"]
            ),
            f"the end of sync {sync_id}'s run",
        )
        for sync_id in plan["triggers"]
    ]


def _rows(service: "_Service", plan: Line, ends: list[Line]) -> Iterator[tuple[object, ...]]:
    """A row for each affected sync: dbt run, model, sync, sync run id, outcome."""
    names = {sync.sync_id: f"{sync.sync_id} {sync.label}" for sync in story.SYNCS}
    outcomes = {end["sync_run_id"]: end["outcome"] for end in ends}
    dbt_run_id = plan["dbt_run_id"]
    for line in service.seen:
        if line.get("dbt_run_id") != dbt_run_id:
            continue
        if line["event"] == "sync.triggered":
            sync_run_id = line["sync_run_id"]
            models, outcome = line["because"], outcomes.get(sync_run_id, "?")
        elif line["event"] == "sync.withheld":
            sync_run_id = None
            models, outcome = line["models"], f"withheld: {line['reason']}"
        else:
            continue
        yield dbt_run_id, ", ".join(models), names[line["sync_id"]], sync_run_id, outcome


def _time_deliveries(sandbox: Sandbox, service: "_Service") -> float:
    """The median seconds from a delivery's first byte to its log line sync.triggered."""
    seconds = []
    service.show = False
    for number in range(TIMED_DELIVERIES):
        dbt_run_id = story.FIRST_DBT_RUN_ID + 10 + number
        began = time.time()
        plan = _deliver(sandbox, service, dbt_run_id, "run_tables_under_view")
        triggered = service.wait_for(
            lambda line, wanted=dbt_run_id: (  # type: ignore[misc]
                line["event"] == "sync.triggered" and line["dbt_run_id"] == wanted
            ),
            f"sync.triggered for dbt run {dbt_run_id}",
        )
        seconds.append(datetime.fromisoformat(triggered["timestamp"]).timestamp() - began)
        _until_all_ended(service, plan)
    return statistics.median(seconds)


class _FellShort(Exception):
    pass


class _Service:
    """A `relay up` process, and its log lines."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.seen: list[Line] = []
        self.show = True
        self._process = process
        self._url = f"http://127.0.0.1:{port}"
        self._lines: queue.SimpleQueue[Line | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline and self._process.poll() is None:
            self._take(0.1)
            try:
                with Session() as session:
                    if session.get(f"{self._url}/readyz", timeout=2).ok:
                        return
            except requests.RequestException:
                continue
        raise _FellShort("relay did not become ready")

    def post(self, body: bytes) -> None:
        answer = deliver(body, f"{self._url}/webhooks/dbt", Secret(story.WEBHOOK_SECRET))
        if not answer.accepted:
            raise _FellShort(f"the delivery was answered with HTTP {answer.http_status}")

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
                raise _FellShort(f"waited {TIMEOUT:.0f} s for {what}")
            self._take(left)

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def left_behind(self) -> list[str]:
        status = self._process.returncode
        return [] if status == 0 else [f"`relay up` ended with exit status {status}"]

    def _take(self, seconds: float) -> None:
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            return
        if line is None:
            raise _FellShort("relay ended by itself")
        self.seen.append(line)
        if self.show:
            _show(line)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for raw in self._process.stdout:
            try:
                self._lines.put(json.loads(raw))
            except ValueError:
                self._lines.put({"event": "unreadable", "timestamp": "", "line": raw.decode()})
        self._lines.put(None)


@contextmanager
def _service(sandbox: Sandbox, folder: str) -> Iterator[_Service]:
    mapping = Path(folder) / "syncs.yml"
    mapping.write_text(story.MAPPING, encoding="utf-8")
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
        },
    )
    service = _Service(process, port)
    try:
        yield service
    finally:
        service.stop()


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
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


def _say(words: str) -> None:
    click.echo(f"\n{click.style(words, bold=True)}")
