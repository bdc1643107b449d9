"""The simulated dbt Cloud's jobs, and what their commands do."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from relay.sandbox.dbt_projects import SandboxEnvironment
from relay.sandbox.dbt_runs import DOCS, ERROR, SandboxRun, SandboxStep, invoke
from relay.sandbox.recordings import load

# The recording for each command; options, such as a selection, have no effect.
_RECORDINGS = {
    "dbt build": "build",
    "dbt run": "run",
    "dbt test": "test",
    "dbt seed": "seed",
    "dbt snapshot": "snapshot",
    "dbt compile": "compile",
    "dbt clone": "clone",
    "dbt retry": "retry",
    "dbt source freshness": "source_freshness",
    DOCS: "docs_generate",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxJob:
    """A job: dbt commands that run in an environment. `cron` None is a job without a schedule."""

    dbt_job_id: int
    name: str
    environment: SandboxEnvironment
    commands: tuple[str, ...]
    job_type: str = "scheduled"
    cron: str | None = None

    @property
    def environment_id(self) -> int:
        """The id of its environment."""
        return self.environment.environment_id

    @property
    def project_id(self) -> int:
        """The id of its project."""
        return self.environment.project.project_id

    @property
    def dbt_version(self) -> str:
        """The version of dbt it runs, which is its environment's."""
        return self.environment.dbt_version

    def run(self, *invocations: SandboxStep, dbt_run_id: int, **fields: Any) -> SandboxRun:
        """A run of this job with these steps; `fields` are those of `SandboxRun`."""
        of_the_job = {
            "dbt_job_id": self.dbt_job_id,
            "job_name": self.name,
            "job_type": self.job_type,
            "project_id": self.project_id,
            "project_name": self.environment.project.name,
            "environment_id": self.environment_id,
            "environment_name": self.environment.name,
            "dbt_version": self.dbt_version,
        }
        return SandboxRun.of(*invocations, dbt_run_id=dbt_run_id, **of_the_job | fields)


def executed(commands: Iterable[str]) -> tuple[SandboxStep, ...]:
    """The steps of these dbt commands, up to the first that fails.

    A command has the artifacts of its recording, or none if there is no recording.
    """
    return tuple(_up_to_an_error(_step(command) for command in commands))


def _step(command: str) -> SandboxStep:
    for words, recording in _RECORDINGS.items():
        if f"{command} ".startswith(f"{words} "):
            return invoke(command, load(recording))
    return invoke(command)


def _up_to_an_error(steps: Iterable[SandboxStep]) -> Iterator[SandboxStep]:
    for step in steps:
        yield step
        if step.status == ERROR:
            return
