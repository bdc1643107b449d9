"""A dbt Cloud run as the stand-in keeps it: what it was started for, its steps, what they left."""

from dataclasses import KW_ONLY, dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from relay.sandbox.recordings import Recording, stamped

# https://docs.getdbt.com/dbt-cloud/api-v2#/operations/Retrieve%20Run
QUEUED, STARTING, RUNNING, SUCCESS, ERROR, CANCELLED = 1, 2, 3, 10, 20, 30
HUMANIZED = {
    QUEUED: "Queued",
    STARTING: "Starting",
    RUNNING: "Running",
    SUCCESS: "Success",
    ERROR: "Error",
    CANCELLED: "Cancelled",
}

ARTIFACTS = ("manifest.json", "run_results.json", "sources.json")

QUEUE_TAKES = timedelta(seconds=4)
STEP_TAKES = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class SandboxStep:
    """A step of a run. `command` is None for the steps that run no dbt; they leave no artifacts.

    `recording` is what the step left, None where nothing. With an `invocation_id` its artifacts
    bear that and the time of the step; with None they are served as recorded, which makes two
    steps, or two runs, that share a recording one invocation. `run_results` is served, byte for
    byte, in place of the recording's.
    """

    name: str
    _: KW_ONLY
    command: str | None = None
    status: int = SUCCESS
    recording: Recording | None = None
    invocation_id: str | None = None
    run_results: bytes | None = None

    def artifact(self, name: str, *, at: datetime) -> bytes | None:
        """One of ARTIFACTS as it was written at this time; None where the step left none."""
        if name == "run_results.json" and self.run_results is not None:
            return self.run_results
        recorded = self._recorded(name)
        if recorded is None or self.invocation_id is None:
            return recorded
        return stamped(recorded, invocation_id=self.invocation_id, generated_at=at)

    def has_left(self, name: str) -> bool:
        """Whether there is this artifact."""
        overridden = name == "run_results.json" and self.run_results is not None
        return overridden or self._recorded(name) is not None

    def _recorded(self, name: str) -> bytes | None:
        match self.recording, name:
            case Recording(manifest=manifest), "manifest.json":
                return manifest
            case Recording(run_results=run_results), "run_results.json":
                return run_results
            case Recording(sources=sources), "sources.json":
                return sources
            case _:
                return None


def invoke(
    command: str,
    recording: Recording | None = None,
    *,
    status: int | None = None,
    invocation_id: str | None = None,
    run_results: bytes | None = None,
) -> SandboxStep:
    """A step that ran `dbt build` or another dbt command, an invocation of its own.

    Without a status it ended as its recording did. Given another step's `invocation_id` and
    recording, it is a step that wrote nothing and still serves that step's files.
    """
    if status is None:
        status = ERROR if recording is not None and recording.failed else SUCCESS
    return SandboxStep(
        # The quotation marks are dbt Cloud's: PrefectHQ/prefect, prefect_dbt/cloud/jobs.py.
        f"Invoke dbt with `{command}`",
        command=command,
        status=status,
        recording=recording,
        invocation_id=invocation_id or str(uuid4()),
        run_results=run_results,
    )


# "always the first three steps in any run, and note, index starts at 1 instead of 0":
# PrefectHQ/prefect, prefect_dbt/cloud/jobs.py
PREPARATIONS = (
    SandboxStep("Clone git repository"),
    SandboxStep("Create profile from connection Snowflake"),
    SandboxStep("Invoke dbt with `dbt deps`", command="dbt deps"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxRun:
    """A run of a job, in the Administrative API's words. `of` makes one with all its steps.

    Where `created_at` and `finished_at` are None, `SandboxDbtCloud.add_run` fills them in: the
    run ended when it was added, or, if it is still going, was created then.
    """

    dbt_run_id: int
    steps: tuple[SandboxStep, ...]
    status: int = SUCCESS
    dbt_job_id: int = 278164
    job_name: str = "Nightly build"
    job_type: str = "scheduled"
    project_id: int = 241251
    project_name: str = "Jaffle CRM"
    environment_id: int = 187998
    environment_name: str = "Production"
    cause: str = "scheduled"
    cause_category: str = "scheduled"
    git_branch: str = "main"
    git_sha: str = "8d1ef1b22e961221d4ce2892fb296ee3b0be8628"
    github_pull_request_id: int | None = None
    gitlab_merge_request_id: int | None = None
    azure_pull_request_id: int | None = None
    non_native_pull_request_id: int | None = None
    schema_override: str | None = None
    target_name_override: str | None = None
    retrying_run_id: int | None = None
    dbt_version: str = "1.12.6"
    created_at: datetime | None = None
    finished_at: datetime | None = None

    @classmethod
    def of(cls, *invocations: SandboxStep, dbt_run_id: int, **fields: Any) -> "SandboxRun":
        """A run that did this after the three steps every run begins with.

        Unless told its status it ended in error if one of the invocations did.
        """
        failed = any(step.status == ERROR for step in invocations)
        fields.setdefault("status", ERROR if failed else SUCCESS)
        return cls(dbt_run_id=dbt_run_id, steps=(*PREPARATIONS, *invocations), **fields)

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen in it."""
        return self.status in (SUCCESS, ERROR, CANCELLED)

    def placed(self, now: datetime) -> "SandboxRun":
        """The same run, its times known."""
        finished_at = (self.finished_at or now) if self.has_ended else None
        took = QUEUE_TAKES + STEP_TAKES * len(self.steps)
        created_at = self.created_at or (finished_at - took if finished_at else now)
        return replace(self, created_at=created_at, finished_at=finished_at)

    @property
    def started_at(self) -> datetime:
        """When its first step began. Only of a run that was `placed`."""
        if self.created_at is None:
            raise ValueError("a run has its times once it is added")
        return self.created_at + QUEUE_TAKES

    def step_finished_at(self, index: int) -> datetime:
        """When a step ended; they are counted from 1."""
        ended = self.started_at + STEP_TAKES * index
        return min(ended, self.finished_at) if self.finished_at else ended

    @property
    def invocations(self) -> tuple[SandboxStep, ...]:
        """The steps after those every run begins with: the job's own."""
        return tuple(step for step in self.steps if step not in PREPARATIONS)

    def has_left(self, name: str) -> bool:
        """Whether any step left this artifact. None can be fetched before the run has ended."""
        return self.has_ended and any(step.has_left(name) for step in self.steps)

    def artifact(self, name: str, index: int | None) -> bytes | None:
        """A file that a step left, the last step without an index; None where there is none."""
        index = len(self.steps) if index is None else index
        if not self.has_ended or not 1 <= index <= len(self.steps):
            return None
        return self.steps[index - 1].artifact(name, at=self.step_finished_at(index))
