"""The dbt projects as the newest runs of an account saw them: one manifest an environment."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from relay.dbt.project import Project
from relay.dbt.runs import DbtRun, FinishedRun
from relay.errors import BadArtifact
from relay.vendors.dbt_cloud import DbtCloud

LOOKED_BACK = timedelta(days=7)
CLOCKS_DIFFER = timedelta(days=1)  # the newest run may have ended in this machine's future
MOST_TRIED = 10  # runs of one environment, newest first, until one has a manifest


@dataclass(frozen=True, slots=True)
class NewestProject:
    """What the newest runs saw, which runs these are, and of which environments."""

    project: Project
    dbt_run_ids: tuple[int, ...]
    environment_ids: frozenset[int | None]


def newest_project(
    dbt_cloud: DbtCloud, *, dbt_job_ids: Collection[int] | None, now: datetime
) -> NewestProject:
    """Read the manifest of the newest run of each environment, and join them.

    Only runs of these jobs count, None for those of every job but CI and merge jobs; and no run
    into a schema of its own. Raises Unavailable, Rejected, and BadArtifact, also where no run of
    the last seven days has a manifest.
    """
    found = tuple(_newest_of_each_environment(dbt_cloud, dbt_job_ids, now))
    if not found:
        jobs = f" of {_named(dbt_job_ids)}" if dbt_job_ids is not None else ""
        raise BadArtifact(
            f"no run{jobs} that ended within the last {LOOKED_BACK.days} days has a manifest.json:"
            " name a file by --manifest, such as the target/manifest.json of `dbt parse`"
            "; dbt Cloud also shows none to a token that may not read artifacts"
        )
    return NewestProject(
        Project.together(one.project for one in found),
        tuple(one.run.dbt_run_id for one in found),
        frozenset(one.run.environment_id for one in found),
    )


class _Seen(NamedTuple):
    run: FinishedRun
    project: Project


def _newest_of_each_environment(
    dbt_cloud: DbtCloud, dbt_job_ids: Collection[int] | None, now: datetime
) -> Iterator[_Seen]:
    """The run and what it saw, newest first."""
    counts = _counting_jobs(dbt_cloud) if dbt_job_ids is None else frozenset(dbt_job_ids)
    runs = dbt_cloud.list_finished_runs(since=now - LOOKED_BACK, until=now + CLOCKS_DIFFER)
    by_environment: dict[int | None, list[FinishedRun]] = {}
    for run in reversed(runs):
        if run.dbt_job_id in counts:
            by_environment.setdefault(run.environment_id, []).append(run)
    for of_one in by_environment.values():
        for listed in of_one[:MOST_TRIED]:
            project = _seen_by(dbt_cloud, listed.dbt_run_id)
            if project is not None:
                yield _Seen(listed, project)
                break


def _counting_jobs(dbt_cloud: DbtCloud) -> frozenset[int]:
    return frozenset(job.dbt_job_id for job in dbt_cloud.list_jobs() if job.may_count)


def _seen_by(dbt_cloud: DbtCloud, dbt_run_id: int) -> Project | None:
    """What the last step of a run with a manifest saw; None if it does not count or has none."""
    run = dbt_cloud.get_run(dbt_run_id)
    if run.never_counts_because:
        return None
    projects = (_of_step(dbt_cloud, run, step.index) for step in reversed(run.steps))
    return next((project for project in projects if project is not None), None)


def _of_step(dbt_cloud: DbtCloud, run: DbtRun, step: int) -> Project | None:
    return dbt_cloud.get_project(run.dbt_run_id, step=step, environment_id=run.environment_id)


def _named(dbt_job_ids: Collection[int]) -> str:
    ids = ", ".join(map(str, sorted(dbt_job_ids)))
    return f"job {ids}" if len(dbt_job_ids) == 1 else f"jobs {ids}"
