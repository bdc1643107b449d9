"""What `relay mapping from-census` takes besides its requests: 2,000 syncs, 20,000 models.

Each round is a fresh process. Census's answers are values in memory; the manifest is that of
`harness/projects.py`. Half of the syncs read tables, the others SQL with common table expressions.
"""

import argparse
import os
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from harness.benchmark import Report, at_most, markdown, options, run
from harness.measure import MEGABYTE, resident_peak
from harness.processes import child, folder
from harness.projects import Project as Artifacts

from relay.census.additions import add_missing
from relay.census.mapping_text import file_text
from relay.census.objects import Dataset, Destination, Source
from relay.census.syncs import (
    CensusSync,
    CohortSource,
    DatasetSource,
    ModelSource,
    OtherSource,
    SegmentSource,
    SyncDestination,
    SyncSource,
    TableSource,
)
from relay.dbt.project import read_project
from relay.dbt.relations import Relation
from relay.operations.mapping_from_census import propose_mapping

SYNCS = 2_000
MODELS = 20_000
KINDS = {"table": 50, "dataset": 25, "segment": 8, "cohort": 2, "model": 5, "dbt": 8, "topic": 2}
SOURCE = 4
MOST_SECONDS = 5.0


def measure(given: argparse.Namespace) -> Report:
    """The best of some rounds."""
    with folder() as home:
        manifest = home / "manifest.json"
        Artifacts(MODELS).write_manifest(manifest)
        rounds = [_round(manifest) for _ in range(given.rounds)]
        size = manifest.stat().st_size / MEGABYTE
    return _report(rounds, size)


@dataclass(frozen=True, slots=True)
class Round:
    """CPU seconds of each part; `memory` is the most that was resident, in MB."""

    loading: float
    project: float
    entries: float
    text: float
    appending: float
    memory: float
    mapped: int

    @property
    def seconds(self) -> float:
        """All of it, as `--append` does it."""
        return self.loading + self.project + self.entries + self.text + self.appending


def _report(rounds: list[Round], size: float) -> Report:
    best = min(rounds, key=lambda one: one.seconds)
    rows = [
        ("sqlglot loaded", f"{best.loading:.3f} s"),
        (f"manifest of {MODELS:,} models, {size:.0f} MB, read", f"{best.project:.3f} s"),
        (f"{SYNCS:,} syncs matched, {best.mapped:,} of them mapped", f"{best.entries:.3f} s"),
        ("the file written as text", f"{best.text:.3f} s"),
        ("half of it added to a file of the others, read back", f"{best.appending:.3f} s"),
        ("all of it", f"{best.seconds:.3f} s"),
        ("most memory, resident", f"{best.memory:.0f} MB"),
    ]
    return Report(
        title="Deriving the mapping",
        how=f"The best of {len(rounds)} rounds.",
        packages=("msgspec", "sqlglot", "pyyaml"),
        parts=[markdown(("CPU of", ""), rows)],
        targets=[at_most("all of it, s", best.seconds, MOST_SECONDS, ".3f")],
        numbers=rounds,
    )


def _round(manifest: Path) -> Round:
    with child(_send_round, manifest) as process:
        measured: Round = process.recv()
        return measured


def _send_round(parent: Connection, manifest: Path) -> None:
    parent.send(measure_once(manifest))


def measure_once(manifest: Path) -> Round:
    """Do it once, in this process."""
    laps = [time.process_time()]

    def lap() -> None:
        laps.append(time.process_time())

    import sqlglot  # noqa: F401, PLC0415 - what the first query costs

    lap()
    project = read_project(manifest.read_bytes())
    lap()
    census = _Census([one.relation for one in project.relations.built])
    made = time.process_time()
    entries = propose_mapping({"default": census}, project)
    matched = time.process_time() - made
    lap()
    text = file_text(["version: 1"], entries)
    lap()
    half = file_text(["version: 1"], entries[::2]).encode()
    began = time.process_time()
    addition = add_missing(half, entries, file="syncs.yml")
    appended = time.process_time() - began
    assert len(addition.content) > len(half)
    return Round(
        loading=laps[1] - laps[0],
        project=laps[2] - laps[1],
        entries=matched,
        text=laps[4] - laps[3],
        appending=appended,
        memory=resident_peak(os.getpid()) / MEGABYTE,
        mapped=text.count("\n  - sync_id:"),
    )


class _Census:
    """A workspace with syncs of every kind of source, always the same for the same project."""

    def __init__(self, relations: list[Relation]) -> None:
        self._rng = random.Random(0)
        self._relations = relations
        self._datasets: dict[int, str] = {}
        self._syncs = [self._sync(number) for number in range(1, SYNCS + 1)]

    def syncs(self) -> Iterator[CensusSync]:
        """All of them."""
        return iter(self._syncs)

    def sources(self) -> Iterator[Source]:
        """One warehouse."""
        yield Source(source_id=SOURCE, name="w", label="Warehouse", type="snowflake")

    def destinations(self) -> Iterator[Destination]:
        """One tool."""
        yield Destination(destination_id=9, name="Salesforce", type="salesforce")

    def dataset(self, dataset_id: int) -> Dataset:
        """A dataset with its SQL."""
        query = self._datasets[dataset_id]
        return Dataset(dataset_id=dataset_id, name="d", type="sql", source_id=SOURCE, query=query)

    def _sync(self, number: int) -> CensusSync:
        return CensusSync(
            sync_id=number,
            label=f"sync {number} to Salesforce",
            status="Ready",
            is_paused=False,
            operation="upsert",
            connection_id=SOURCE,
            source=self._source(number),
            destination=SyncDestination(9, "Contact"),
            own_triggers=(),
        )

    def _source(self, number: int) -> SyncSource:
        kind = self._rng.choices(list(KINDS), list(KINDS.values()))[0]
        if kind == "table":
            catalog, schema, name = self._rng.choice(self._relations)
            return TableSource(catalog, schema, name)
        if kind == "topic":
            return OtherSource("topic")
        query = self._query()
        if kind == "model":
            return ModelSource(model_id=number, name=None, query=query)
        if kind == "dbt":
            name = self._rng.choice(self._relations).name
            return ModelSource(model_id=number, name=name, query="", compiled_query=query)
        dataset = len(self._datasets) + 1
        self._datasets[dataset] = query
        if kind == "segment":
            return SegmentSource(number, dataset)
        return CohortSource(number, dataset) if kind == "cohort" else DatasetSource(dataset)

    def _query(self) -> str:
        """A query of a few joined relations, of 500 characters a relation."""
        chosen = self._rng.sample(self._relations, self._rng.choice((1, 1, 1, 2, 3)))
        ctes = ",\n".join(
            f"c{at} as (\n  select id, {_COLUMNS}\n  from {_quoted(relation)} as t\n"
            "  where t.deleted_at is null and t.created_at > dateadd('day', -30, current_date)\n)"
            for at, relation in enumerate(chosen)
        )
        joins = "\n".join(f"left join c{at} on c0.id = c{at}.id" for at in range(1, len(chosen)))
        return (
            f"with {ctes}\nselect c0.*, row_number() over (order by c0.id) as n\nfrom c0\n{joins}"
        )


_COLUMNS = ", ".join(
    f"case when t.value_{at} > {at} then upper(t.name_{at}) else coalesce(t.other_{at}, '') end"
    f" as column_{at}"
    for at in range(4)
)


def _quoted(relation: Relation) -> str:
    return ".".join(f'"{part}"' for part in relation if part)


if __name__ == "__main__":
    sys.exit(run(measure, options(__doc__, rounds=3)))
