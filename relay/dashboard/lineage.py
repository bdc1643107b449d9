"""Jobs, the models that they build, and the syncs that read these, with the state of each."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from relay.dashboard.drawings.columns import Columns, draw
from relay.dashboard.text import kind_of, model, text
from relay.dbt.nodes import VIEWS
from relay.decision.gates import Reason
from relay.store.pages.mapping import PictureRow
from relay.workspaces import SyncKey

MOST_BOXES = 60
NOT_RECORDED = "no run recorded"
NEVER_RAN = "no sync run yet"
FAILED_A_TEST = "failed a test"


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A job; its id is None if dbt Cloud did not report it.

    `state` is `failed` if its last run did not rebuild one of the models, or one failed a test.
    """

    dbt_job_id: int | None
    name: str | None
    state: str


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A model; `state` is the result of the last run of any job, `dbt_run_id` that run.

    `behind` are the tables that it reads, if it is a view. The run is None if none is recorded.
    """

    node: str
    materialized: str | None
    behind: tuple[str, ...]
    state: str
    dbt_run_id: int | None

    @property
    def is_view(self) -> bool:
        """Whether it shows the rows of others."""
        return self.materialized in VIEWS

    @property
    def description(self) -> str:
        """What it is, for people: `view of customers, orders`; empty if that is not known."""
        behind = f" of {', '.join(map(model, self.behind))}" if self.behind else ""
        return f"{text(self.materialized)}{behind}" if self.materialized else ""


class ReadingSync(msgspec.Struct, frozen=True, kw_only=True):
    """A sync; `state` is why it is behind, else the outcome of its last run."""

    workspace: str
    sync_id: int
    name: str | None
    state: str

    @property
    def reason(self) -> str | None:
        """The state, if it is a reason code."""
        return self.state if self.state in set(Reason) else None


class JobModels(msgspec.Struct, frozen=True, kw_only=True):
    """The models that a job has built, by place in `models`; `job` None: none is recorded."""

    job: int | None
    models: tuple[int, ...]


Box = Job | Model | ReadingSync


class Lineage(msgspec.Struct, frozen=True, kw_only=True):
    """Edges are places in these lists: (job, model) and (model, sync)."""

    jobs: tuple[Job, ...]
    models: tuple[Model, ...]
    syncs: tuple[ReadingSync, ...]
    built: tuple[tuple[int, int], ...]
    read: tuple[tuple[int, int], ...]

    @property
    def size(self) -> int:
        """How many boxes a picture of it has."""
        return len(self.jobs) + len(self.models) + len(self.syncs)

    @property
    def drawing(self) -> Columns[Box]:
        """The picture."""
        edges: list[tuple[Box, Box]] = [
            *((self.jobs[job], self.models[built]) for job, built in self.built),
            *((self.models[read], self.syncs[sync]) for read, sync in self.read),
        ]
        columns: dict[str, Sequence[Box]] = {
            "Jobs": self.jobs,
            "Models": self.models,
            "Syncs": self.syncs,
        }
        return draw(columns, edges)

    @property
    def as_list(self) -> tuple[JobModels, ...]:
        """The same as a list: the models of each job, then those that none has built."""
        by_job = [
            JobModels(job=job, models=tuple(built for by, built in self.built if by == job))
            for job in range(len(self.jobs))
        ]
        built = {place for _, place in self.built}
        others = tuple(place for place in range(len(self.models)) if place not in built)
        return (*by_job, JobModels(job=None, models=others)) if others else tuple(by_job)

    def syncs_of(self, place: int) -> tuple[ReadingSync, ...]:
        """The syncs that read the model at this place."""
        return tuple(self.syncs[sync] for each, sync in self.read if each == place)


def lineage_of(rows: Sequence[PictureRow], names: Mapping[SyncKey, str | None]) -> Lineage:
    """What the rows show; `names` are those of the mapping file."""
    jobs = _grouped((row for row in rows if row.dbt_job_id is not None), lambda row: row.dbt_job_id)
    models = _grouped(rows, lambda row: row.node)
    syncs = _grouped(rows, _sync_key)
    place_of = [{key: place for place, key in enumerate(keys)} for keys in (jobs, models, syncs)]
    job_at, model_at, sync_at = place_of
    return Lineage(
        jobs=tuple(map(_job, jobs.values())),
        models=tuple(map(_model, models.values())),
        syncs=tuple(_sync(of_one[0], names.get(key)) for key, of_one in syncs.items()),
        built=tuple(
            (job_at[job], place)
            for node, place in model_at.items()
            for job in dict.fromkeys(row.dbt_job_id for row in models[node])
            if job is not None
        ),
        read=tuple(
            (place, sync_at[key])
            for node, place in model_at.items()
            for key in dict.fromkeys(map(_sync_key, models[node]))
        ),
    )


def _grouped(
    rows: Iterable[PictureRow], key_of: Callable[[PictureRow], Any]
) -> dict[Any, list[PictureRow]]:
    found: dict[Any, list[PictureRow]] = {}
    for row in rows:
        found.setdefault(key_of(row), []).append(row)
    return found


def _sync_key(row: PictureRow) -> SyncKey:
    return row.workspace, row.sync_id


def _job(rows: Sequence[PictureRow]) -> Job:
    newest = max(rows, key=_ended)
    of_the_run = (_state(row) for row in rows if row.dbt_run_id == newest.dbt_run_id)
    failed = any(kind_of(state) != "good" for state in of_the_run)
    return Job(
        dbt_job_id=newest.dbt_job_id or None,
        name=newest.job_name,
        state="failed" if failed else "ok",
    )


def _model(rows: Sequence[PictureRow]) -> Model:
    newest = max(rows, key=_ended)
    return Model(
        node=newest.node,
        materialized=newest.materialized,
        behind=tuple(newest.behind),
        state=_state(newest),
        dbt_run_id=newest.dbt_run_id,
    )


def _sync(row: PictureRow, name: str | None) -> ReadingSync:
    return ReadingSync(
        workspace=row.workspace,
        sync_id=row.sync_id,
        name=name,
        state=row.because or row.last_outcome or NEVER_RAN,
    )


def _state(row: PictureRow) -> str:
    if row.failed_a_test:
        return FAILED_A_TEST
    return row.result or NOT_RECORDED


def _ended(row: PictureRow) -> float:
    ended: datetime | None = row.finished_at
    return ended.timestamp() if ended else 0.0
