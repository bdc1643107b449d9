"""dbt jobs for a benchmark: each builds its own models, which its own syncs read.

So a run is decided without the manifest, unless its syncs look back, and the runs of different
jobs affect different syncs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache, lru_cache
from typing import Any
from uuid import uuid4

import msgspec

from relay.sandbox.census_runs import SandboxSync
from relay.sandbox.dbt_runs import SandboxRun, SandboxStep, invoke
from relay.sandbox.recordings import Recording, load, stamped

FIRST_JOB, FIRST_SYNC = 500_001, 600_001
FIRST_DBT_RUN = 700_000_001
RECORDED = "model.jaffle_crm.customers", "model.jaffle_crm.fct_revenue"
LOOKS_BACK = ", require: all"
ERROR = "error"


@dataclass(frozen=True, slots=True)
class Jobs:
    """So many jobs, of two models each, with so many syncs each."""

    number: int
    syncs_each: int = 1
    looks_back: bool = False

    def entries(self) -> Iterator[str]:
        """The mapping's: a sync reads both models, or, if it does not look back, one."""
        for at in range(self.number):
            for sync_id in self.syncs(at):
                yield (
                    f"sync_id: {sync_id}, depends_on: [{', '.join(self._read(at))}],"
                    f" jobs: [{FIRST_JOB + at}]{LOOKS_BACK if self.looks_back else ''}"
                )

    def census_syncs(self) -> Iterator[SandboxSync]:
        """All syncs, as Census has them."""
        for sync_id in self.sync_ids:
            yield SandboxSync(
                sync_id=sync_id, label=None, source="a model", destination_object="Contact"
            )

    def _read(self, at: int) -> Sequence[str]:
        return _models(at) if self.looks_back else _models(at)[:1]

    @property
    def sync_ids(self) -> range:
        """All syncs."""
        return range(FIRST_SYNC, FIRST_SYNC + self.number * self.syncs_each)

    def syncs(self, at: int) -> range:
        """The syncs of the job with this index."""
        first = FIRST_SYNC + at * self.syncs_each
        return range(first, first + self.syncs_each)

    def run(self, number: int, *, ended: datetime) -> SandboxRun:
        """A successful run; the jobs take turns."""
        return self._run(number, _run_results(number % self.number), ended)

    def failed_run(self, number: int, *, ended: datetime) -> SandboxRun:
        """One whose first model failed, which its syncs read."""
        return self._run(number, _run_results(number % self.number, (ERROR, "success")), ended)

    def _run(self, number: int, run_results: bytes, ended: datetime) -> SandboxRun:
        recording = Recording("jobs", run_results, _manifest(self.number), None)
        return SandboxRun.of(
            _build(recording, ended),
            dbt_run_id=FIRST_DBT_RUN + number,
            dbt_job_id=FIRST_JOB + number % self.number,
            finished_at=ended,
        )


def _build(recording: Recording, ended: datetime) -> SandboxStep:
    """The manifest is served as it is: it is large, and only the run_results are read."""
    assert recording.run_results is not None
    run_results = stamped(recording.run_results, invocation_id=str(uuid4()), generated_at=ended)
    step = invoke("dbt build", recording, run_results=run_results)
    return replace(step, recording=replace(recording, run_results=None), invocation_id=None)


def _models(at: int) -> tuple[str, str]:
    return f"own_{at}", f"other_{at}"


@cache
def _run_results(at: int, statuses: tuple[str, ...] = ("success", "success")) -> bytes:
    recording = load("build").only(*RECORDED)
    run_results = recording.with_results(dict(zip(RECORDED, statuses, strict=True))).run_results
    assert run_results is not None
    for recorded, name in zip(RECORDED, _models(at), strict=True):
        run_results = run_results.replace(recorded.encode(), _unique_id(name).encode())
    return run_results


@lru_cache(maxsize=1)
def _manifest(jobs: int) -> bytes:
    """The recorded project with the models of all jobs."""
    manifest = msgspec.json.decode(load("build").manifest)
    copied = manifest["nodes"][RECORDED[0]]
    for at in range(jobs):
        for name in _models(at):
            manifest["nodes"][_unique_id(name)] = _renamed(copied, name)
    return msgspec.json.encode(manifest)


def _renamed(node: dict[str, Any], name: str) -> dict[str, Any]:
    return node | {"unique_id": _unique_id(name), "name": name, "fqn": ["jaffle_crm", name]}


def _unique_id(name: str) -> str:
    return f"model.jaffle_crm.{name}"
