"""relay's web and worker against the sandbox, for nights whose dbt run has very large artifacts.

The sandbox is a process of its own, so that it does not count, nor disturb who measures.
"""

import multiprocessing
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil
import requests
from measure import AnonymousPeak, cpu_of, folder, free_port, resident_peak, stop, wait_for_answer

from relay.dbt.deliveries import sign
from relay.postgres.embedded import EmbeddedServer
from relay.postgres.migrate import migrate
from relay.postgres.server import joined
from relay.sandbox import story
from relay.sandbox.command import environment
from relay.sandbox.dbt_runs import SUCCESS, SandboxRun, invoke
from relay.sandbox.recordings import Recording
from relay.sandbox.server import open_sandbox

CHECKOUT = Path(__file__).parent.parent
PATIENCE = 180.0  # seconds from a delivery to its syncs: the sandbox compresses all of it
SYNC_IDS = [sync.sync_id for sync in story.SYNCS]


@dataclass(frozen=True, slots=True)
class Worked:
    """What one dbt run took of the worker, from its delivery to the last `sync.triggered`.

    Memory in bytes, since the worker's start. `manifests` is how many it downloaded.
    """

    cpu: float
    anonymous: int
    resident: int
    manifests: int


class Night:
    """The sandbox with two dbt runs of the same project state, and relay beside it."""

    def __init__(
        self, sandbox: "_Sandbox", web: int, worker: psutil.Popen, settings: Mapping[str, str]
    ) -> None:
        self._sandbox = sandbox
        self._settings = settings
        self._web = web
        self._worker = worker
        self._told = 0

    def tell(self, peak: AnonymousPeak) -> Worked:
        """Tell relay of the next dbt run's end, and wait until its syncs are triggered."""
        body = self._sandbox.events[self._told]
        self._told += 1
        before, manifests = cpu_of(self._worker.pid), self._manifests()
        headers = {"Authorization": sign(body, story.WEBHOOK_SECRET.encode())}
        url = f"http://127.0.0.1:{self._web}/webhooks/dbt"
        requests.post(url, data=body, headers=headers, timeout=10).raise_for_status()
        self._wait()
        return Worked(
            cpu=cpu_of(self._worker.pid) - before,
            anonymous=peak.bytes,
            resident=resident_peak(self._worker.pid),
            manifests=self._manifests() - manifests,
        )

    def plan(self, words: Sequence[str]) -> float:
        """CPU seconds of `relay plan` on the first run, for a sync with each of these words."""
        mapping = Path(self._settings["RELAY_MAPPING"]).with_name("planned.yml")
        mapping.write_text(_mapping(dict(enumerate(words, 1))), encoding="utf-8")
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [sys.executable, "-m", "relay", "plan", "--json", "--run", str(story.FIRST_DBT_RUN_ID)],
            cwd=CHECKOUT,
            env=_ours() | dict(self._settings) | {"RELAY_MAPPING": str(mapping)},
            stdout=subprocess.DEVNULL,
            check=True,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    @property
    def worker(self) -> int:
        return self._worker.pid

    def _wait(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while len(self._sandbox.state()["sync_runs"]) < self._told * len(SYNC_IDS):
            if time.monotonic() > deadline or self._worker.poll() is not None:
                raise SystemExit("relay did not trigger the syncs; is the worker alive?")
            time.sleep(0.1)

    def _manifests(self) -> int:
        seen = self._sandbox.state()["requests"]["dbt_cloud"]
        return sum("/manifest.json" in each for each in seen)


@contextmanager
def night(
    *, manifest: Path, run_results: Path, words: list[str], prefix: tuple[str, ...] = ()
) -> Iterator[Night]:
    """Everything running, on a database of its own.

    Each sync depends on one of `words`; `prefix` starts the worker.
    """
    with ExitStack() as stack:
        home = stack.enter_context(folder())
        sandbox = stack.enter_context(_sandbox(manifest, run_results))
        # The database is this process's: neither its memory nor its CPU is the worker's.
        migrate(stack.enter_context(joined(EmbeddedServer(home / "data"))))
        mapping = home / "syncs.yml"
        mapping.write_text(_mapping(dict(zip(SYNC_IDS, words, strict=True))), encoding="utf-8")
        port = free_port()
        settings = environment(sandbox.dbt_cloud_url, sandbox.census_url) | {
            "PORT": str(port),
            "RELAY_DATA_DIR": str(home / "data"),
            "RELAY_MAPPING": str(mapping),
            "RELAY_FOLLOW_INTERVAL": "1s",
            "RELAY_LOG_FORMAT": "json",
        }
        gunicorn = (sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.conf.py")
        web = stack.enter_context(_running(home / "web.log", gunicorn, settings))
        wait_for_answer(port, web)
        worker = (*prefix, sys.executable, "-m", "relay", "worker")
        log = home / "worker.log"
        process = stack.enter_context(_running(log, worker, settings))
        while b"worker.started" not in log.read_bytes():
            if process.poll() is not None:
                raise SystemExit(log.read_text(encoding="utf-8"))
            time.sleep(0.05)
        yield Night(sandbox, port, process, settings)


@contextmanager
def _running(
    log: Path, command: tuple[str, ...], settings: Mapping[str, str]
) -> Iterator[psutil.Popen]:
    with log.open("wb") as output:
        process = psutil.Popen(
            command, stdout=output, stderr=output, cwd=CHECKOUT, env=_ours() | dict(settings)
        )
    try:
        yield process
    finally:
        stop(process)


def _ours() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}


def _mapping(words: Mapping[int, str]) -> str:
    lines = [
        f"  - {{sync_id: {sync_id}, depends_on: ['{word}']}}" for sync_id, word in words.items()
    ]
    return "\n".join(("version: 1", "syncs:", *lines, ""))


@dataclass(frozen=True, slots=True)
class _Sandbox:
    dbt_cloud_url: str
    census_url: str
    events: list[bytes]

    def state(self) -> Any:
        return requests.get(f"{self.dbt_cloud_url}/sandbox/state", timeout=30).json()


@contextmanager
def _sandbox(manifest: Path, run_results: Path) -> Iterator[_Sandbox]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, manifest, run_results), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


def _serve(parent: Connection, manifest: Path, run_results: Path) -> None:
    recording = Recording("large", run_results.read_bytes(), manifest.read_bytes())
    with open_sandbox(runs_take=timedelta(seconds=1)) as sandbox:
        dbt_cloud = sandbox.dbt_cloud
        for dbt_run_id in (story.FIRST_DBT_RUN_ID, story.FIRST_DBT_RUN_ID + 1):
            build = invoke("dbt build", recording, status=SUCCESS)
            dbt_cloud.add_run(SandboxRun.of(build, dbt_run_id=dbt_run_id))
        events = [dbt_cloud.completed_event(run.dbt_run_id) for run in dbt_cloud.runs]
        parent.send(_Sandbox(dbt_cloud.url, sandbox.census.url, events))
        parent.recv()
