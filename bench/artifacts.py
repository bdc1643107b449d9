"""What dbt's artifacts cost relay, from 5,000 to 20,000 models: CPU, memory, and a whole night.

Each task runs in a new process (`harness/probes.py`), alternating with the simplest implementation
(`json.load`, `requests.get(…).json()`). A night is two dbt runs of the largest project, for a new
worker. The lowest CPU time and the highest memory of the rounds count.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness.artifact_server import serving
from harness.benchmark import Report, Target, at_most, markdown, options, run
from harness.deciding import SYNCS, Question
from harness.measure import MEGABYTE, AnonymousPeak, is_on_disk
from harness.memory_group import memory_group
from harness.night import Night, Worked, night
from harness.processes import BENCH, folder
from harness.projects import Project

MODELS = (5_000, 20_000)
CONTAINER = 512 * 2**20  # bytes

MOST_OF_JSON = 0.12  # of json.load's CPU, for a manifest
MOST_OF_JSON_RESULTS = 0.17
MOST_OF_REQUESTS = 0.25  # of the CPU of requests.get().json()
MOST_OF_BODY, MOST_BESIDE = 0.30, 40 * MEGABYTE  # bytes of anonymous memory
MOST_OF_WORKER = 512  # MB of anonymous memory
MOST_OF_LOOP = 0.02  # of the CPU of a loop over everything for every selector
LONGEST_DECISION = 0.25  # CPU seconds, for all that is recorded of it
LONGEST_LOCK = 0.1  # of these, while the account is locked
LONGEST_PLAN = 1.2
MOST_OF_FIRST_RUN = 0.3  # of its CPU, for the next run of the same project state


def measure(given: argparse.Namespace) -> Report:
    """The chosen sections, one after the other."""
    with folder() as home:
        if not is_on_disk(home.resolve()):
            raise SystemExit(f"{home} is in memory; let TMPDIR name a folder on a disk")
        bench = Bench(home, given.rounds, sorted(given.models))
        rows = [row for section in given.sections for row in _section(section, bench)]
    return Report(
        title="Artifacts",
        how=f"{given.rounds} rounds.",
        packages=("msgspec", "requests", "urllib3"),
        parts=[markdown(("artifacts", "ours", "baseline", "ratio"), [row.cells for row in rows])],
        targets=[target for row in rows if (target := row.target)],
        numbers=rows,
    )


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table. A target is for the ratio, or without one for `ours` itself."""

    what: str
    ours: float | None
    unit: str
    baseline: float | None = None
    most_ratio: float | None = None
    most: float | None = None

    @property
    def ratio(self) -> float | None:
        return self.ours / self.baseline if self.ours is not None and self.baseline else None

    @property
    def cells(self) -> tuple[str, ...]:
        ratio = "" if self.ratio is None else f"{self.ratio:.3f}"
        return self.what, self._formatted(self.ours), self._formatted(self.baseline), ratio

    @property
    def target(self) -> Target | None:
        if self.most_ratio is not None and self.ratio is not None:
            return at_most(f"{self.what}, ratio", self.ratio, self.most_ratio, ".3f")
        if self.most is not None and self.ours is not None:
            what = ", ".join(filter(None, (self.what, self.unit)))
            return at_most(what, self.ours, self.most, self._form)
        return None

    @property
    def _form(self) -> str:
        return ".3f" if self.unit == "s" else ".0f"

    def _formatted(self, value: float | None) -> str:
        return "" if value is None else f"{value:{self._form}} {self.unit}".strip()


@dataclass(frozen=True, slots=True)
class Bench:
    """Where files go, how often each thing is measured, and how large the projects are."""

    home: Path
    rounds: int
    models: list[int]

    def manifest(self, models: int) -> Path:
        return self._written(
            f"manifest-{models}.json", lambda to: _project(models).write_manifest(to)
        )

    def run_results(self, models: int) -> Path:
        name = f"run_results-{models}.json"
        return self._written(name, lambda to: _project(models).write_run_results(to))

    def probe(self, where: str, *names: str) -> list["Probed"]:
        """Run each probe in turn, again and again."""
        rounds = [[_probe(name, where) for name in names] for _ in range(self.rounds)]
        return [Probed.of_rounds(of_one) for of_one in zip(*rounds, strict=True)]

    def _written(self, name: str, write: Callable[[Path], None]) -> Path:
        path = self.home / name
        if not path.exists():
            write(path)
        return path


@cache
def _project(models: int) -> Project:
    return Project(models)


@dataclass(frozen=True, slots=True)
class Probed:
    """CPU seconds of the work, and the most anonymous memory of its process in bytes."""

    cpu: float
    memory: int

    @classmethod
    def of_rounds(cls, rounds: Sequence["Probed"]) -> "Probed":
        return cls(min(each.cpu for each in rounds), max(each.memory for each in rounds))


def _probe(name: str, where: str) -> Probed:
    command = [sys.executable, "-m", "harness.probes", name, where]
    process = subprocess.Popen(command, cwd=BENCH, stdout=subprocess.PIPE)
    with AnonymousPeak(process.pid) as peak:
        printed, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"the probe {name} failed")
    return Probed(float(printed), peak.bytes)


def manifests(bench: Bench) -> Iterator[Row]:
    """A manifest on disk, decoded."""
    for models in bench.models:
        path = bench.manifest(models)
        yield from _decoded(bench, path, f"manifest of {models:,} models", "relay_manifest")


def run_results(bench: Bench) -> Iterator[Row]:
    """The run_results.json of the largest project, decoded."""
    path = bench.run_results(bench.models[-1])
    yield from _decoded(bench, path, "run_results", "relay_run_results", MOST_OF_JSON_RESULTS)


def _decoded(
    bench: Bench, path: Path, what: str, probe: str, most: float = MOST_OF_JSON
) -> Iterator[Row]:
    size = path.stat().st_size
    ours, theirs = bench.probe(str(path), probe, "json_load")
    named = f"{what}, {size / MEGABYTE:.0f} MB"
    yield Row(f"{named}: CPU", ours.cpu, "s", theirs.cpu, most)
    yield _memory(f"{named}: anonymous memory", ours, theirs, size)


def downloads(bench: Bench) -> Iterator[Row]:
    """A manifest over loopback HTTP, decompressed and decoded; both sides get the same encoding."""
    with serving(bench.home) as url:
        for models in bench.models:
            path = bench.manifest(models)
            _compress(path)
            for encoding in ("gzip", "identity"):
                what = f"download and decode, {models:,} models, {encoding}"
                at = f"{url}/{encoding}/{path.name}"
                ours, theirs = bench.probe(at, "relay_download", "requests_json")
                yield Row(f"{what}: CPU", ours.cpu, "s", theirs.cpu, MOST_OF_REQUESTS)
                size = path.stat().st_size
                yield _memory(f"{what}: anonymous memory", ours, theirs, size)


def _memory(what: str, ours: Probed, theirs: Probed, body: int) -> Row:
    most = round((MOST_OF_BODY * body + MOST_BESIDE) / MEGABYTE)
    return Row(what, ours.memory / MEGABYTE, "MB", theirs.memory / MEGABYTE, most=most)


def _compress(path: Path) -> None:
    subprocess.run(["gzip", "-6", "--keep", "--force", str(path)], check=True)


def nights(bench: Bench) -> Iterator[Row]:
    """`relay worker` with the largest project, from its start."""
    selectors = Question.about(bench.manifest(bench.models[-1])).selectors
    rounds = [_two_runs(bench, selectors) for _ in range(bench.rounds)]
    firsts, seconds, plans = zip(*rounds, strict=True)
    first, second = Worked.of_rounds(firsts), Worked.of_rounds(seconds)
    yield Row("worker: anonymous memory", first.anonymous / MEGABYTE, "MB", most=MOST_OF_WORKER)
    yield Row("worker: the same, second run included", second.anonymous / MEGABYTE, "MB")
    yield Row("worker: VmHWM, with pages of files", first.resident / MEGABYTE, "MB")
    yield Row("worker: CPU of the first run", first.cpu, "s")
    what = "worker: CPU of a second run of the same state"
    yield Row(what, second.cpu, "s", first.cpu, MOST_OF_FIRST_RUN)
    besides = min(plans) - _fetching(bench, bench.run_results(bench.models[-1]))
    what = f"relay plan, {SYNCS:,} syncs: CPU, besides the download"
    yield Row(what, besides, "s", most=LONGEST_PLAN)
    yield Row("worker: manifests downloaded for both", first.manifests + second.manifests, "")
    yield from _limited_night(bench)


def _two_runs(bench: Bench, selectors: list[str]) -> tuple[Worked, Worked, float]:
    """Two dbt runs of the same project state, and the CPU of a plan of one."""
    with _night(bench) as running, AnonymousPeak(running.worker) as peak:
        return running.deliver_next(peak), running.deliver_next(peak), running.plan(selectors)


def _fetching(bench: Bench, artifact: Path) -> float:
    """The CPU seconds of downloading this file."""
    _compress(artifact)
    with serving(bench.home) as url:
        (fetched,) = bench.probe(f"{url}/gzip/{artifact.name}", "relay_fetch")
        return fetched.cpu


def _limited_night(bench: Bench) -> Iterator[Row]:
    with memory_group(CONTAINER) as group:
        if group is None:
            yield Row("worker in 512 MiB: left out, no memory cgroup can be made here", None, "")
            return
        with _night(bench, group.prefix) as running, AnonymousPeak(running.worker) as peak:
            worked = running.deliver_next(peak)
        yield Row("worker in 512 MiB: killed", group.killed, "", most=0)
        yield Row("worker in 512 MiB: CPU", worked.cpu, "s")
        yield Row("worker in 512 MiB: most, with pages of files", group.peak / MEGABYTE, "MB")
        yield Row("worker in 512 MiB: times at the limit", group.times_at_the_limit, "")


def _night(bench: Bench, prefix: tuple[str, ...] = ()) -> AbstractContextManager[Night]:
    models = bench.models[-1]
    newest = _project(models).models[-1]
    return night(
        manifest=bench.manifest(models),
        run_results=bench.run_results(models),
        selectors=[
            f"tag:{newest.tags[0]}",
            f"+{newest.name}",
            f"path:models/{newest.folder}",
            "+orders",
        ],
        prefix=prefix,
    )


def deciding(bench: Bench) -> Iterator[Row]:
    """5,000 syncs on the largest project, half of which was rebuilt, without reading it."""
    manifest = str(bench.manifest(bench.models[-1]))
    what = f"deciding {SYNCS:,} syncs, {bench.models[-1]:,} models"
    ours, loop, locked, first = bench.probe(
        manifest,
        "relay_decides",
        "loop_decides",
        "relay_decides_under_lock",
        "relay_decides_first",
    )
    yield Row(f"{what}: CPU, beside a loop", ours.cpu, "s", loop.cpu, MOST_OF_LOOP)
    yield Row(f"{what}: CPU", ours.cpu, "s", most=LONGEST_DECISION)
    yield Row(f"{what}: CPU, under the account's lock", locked.cpu, "s", most=LONGEST_LOCK)
    yield Row(f"{what}: CPU, the first time of a lineage", first.cpu, "s")


# A section yields the rows it has measured.
SECTIONS: Mapping[str, Callable[[Bench], Iterator[Row]]] = {
    "manifests": manifests,
    "run_results": run_results,
    "downloads": downloads,
    "deciding": deciding,
    "nights": nights,
}


def _section(name: str, bench: Bench) -> Iterator[Row]:
    for row in SECTIONS[name](bench):
        print(*row.cells, sep="  ", file=sys.stderr, flush=True)
        yield row


if __name__ == "__main__":
    parser = options(__doc__, rounds=3)
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--models", type=int, nargs="+", default=MODELS, help="sizes of projects")
    sys.exit(run(measure, parser))
