"""relay's web and worker against the sandbox, for nights whose dbt run has very large artifacts.

The sandbox is a separate process, so that it is not measured and does not disturb.
"""

import resource
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

import requests

from harness.load import deliver
from harness.measure import AnonymousPeak, CpuUsed, resident_peak
from harness.processes import CHECKOUT, RELAY, becomes_true, child, environment_of
from harness.service import Service, serving, write_mapping
from relay.sandbox import story
from relay.sandbox.command import environment
from relay.sandbox.dbt_runs import SUCCESS, SandboxRun, invoke
from relay.sandbox.recordings import Recording
from relay.sandbox.server import open_sandbox

PATIENCE = 180.0  # seconds from a delivery to its syncs: the sandbox compresses all of it
SYNC_IDS = [sync.sync_id for sync in story.SYNCS]


@dataclass(frozen=True, slots=True)
class Worked:
    """What one dbt run cost the worker, from its delivery until its sync runs have ended.

    Memory in bytes, since the worker's start. `manifests` is how many it downloaded.
    """

    cpu: float
    anonymous: int
    resident: int
    manifests: int

    @classmethod
    def of_rounds(cls, rounds: Sequence[Self]) -> Self:
        """The least CPU, and the most of all else."""
        return cls(
            cpu=min(one.cpu for one in rounds),
            anonymous=max(one.anonymous for one in rounds),
            resident=max(one.resident for one in rounds),
            manifests=max(one.manifests for one in rounds),
        )


class Night:
    """The sandbox with two dbt runs of the same project state, and relay."""

    def __init__(self, sandbox: "_Sandbox", service: Service) -> None:
        self._sandbox = sandbox
        self._service = service
        (self._web,), (self._worker,) = service.webs, service.workers
        self._delivered = 0

    def deliver_next(self, peak: AnonymousPeak) -> Worked:
        """Deliver the next dbt run's webhook, and wait until its sync runs have ended."""
        body = self._sandbox.events[self._delivered]
        self._delivered += 1
        manifests = self._manifests()
        with CpuUsed({"worker": self._worker.pid}) as used:
            deliver(self._web.port, body).raise_for_status()
            self._wait()
        return Worked(
            cpu=used.seconds["worker"],
            anonymous=peak.bytes,
            resident=resident_peak(self._worker.pid),
            manifests=self._manifests() - manifests,
        )

    def plan(self, selectors: Sequence[str]) -> float:
        """CPU seconds of `relay plan` on the first run, for a sync with each of these selectors."""
        settings = self._service.settings
        mapping = Path(settings["RELAY_MAPPING"]).with_name("planned.yml")
        write_mapping(mapping, _entries(enumerate(selectors, 1)))
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [*RELAY, "plan", "--json", "--run", str(story.FIRST_DBT_RUN_ID)],
            cwd=CHECKOUT,
            env=environment_of({**settings, "RELAY_MAPPING": str(mapping)}),
            stdout=subprocess.DEVNULL,
            check=True,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    @property
    def worker(self) -> int:
        return self._worker.pid

    def _wait(self) -> None:
        expected = self._delivered * len(SYNC_IDS)
        if not becomes_true(
            lambda: len(self._sandbox.state()["sync_runs"]) >= expected,
            within=PATIENCE,
            process=self._worker.process,
        ):
            raise SystemExit("relay did not trigger the syncs; is the worker alive?")
        # What is left to do for this run must not count as work for the next one.
        self._service.wait_until_quiet(within=PATIENCE)

    def _manifests(self) -> int:
        seen = self._sandbox.state()["requests"]["dbt_cloud"]
        return sum("/manifest.json" in each for each in seen)


@contextmanager
def night(
    *, manifest: Path, run_results: Path, selectors: list[str], prefix: tuple[str, ...] = ()
) -> Iterator[Night]:
    """Start everything, with a new database.

    Each sync depends on one of `selectors`; `prefix` starts the worker.
    """
    entries = _entries(zip(SYNC_IDS, selectors, strict=True))
    with _sandbox(manifest, run_results) as sandbox:
        settings = environment(sandbox.dbt_cloud_url, sandbox.census_url)
        settings["RELAY_FOLLOW_INTERVAL"] = "1s"
        with serving(settings, entries, webs=1, workers=1, prefix=prefix) as service:
            yield Night(sandbox, service)


def _entries(selectors: Iterable[tuple[int, str]]) -> Iterator[str]:
    return (f"sync_id: {sync_id}, depends_on: ['{selector}']" for sync_id, selector in selectors)


@dataclass(frozen=True, slots=True)
class _Sandbox:
    dbt_cloud_url: str
    census_url: str
    events: list[bytes]

    def state(self) -> Any:
        return requests.get(f"{self.dbt_cloud_url}/sandbox/state", timeout=30).json()


@contextmanager
def _sandbox(manifest: Path, run_results: Path) -> Iterator[_Sandbox]:
    with child(_serve, manifest, run_results) as sandbox:
        yield sandbox.recv()


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
