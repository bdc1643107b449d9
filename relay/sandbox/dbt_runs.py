"""A simulated run of dbt Cloud: its trigger, its steps, and their artifacts."""

from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from relay.sandbox.dbt_projects import DBT_VERSION, SandboxEnvironment, SandboxProject
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

GOING = (QUEUED, STARTING, RUNNING)

DOCS = "dbt docs generate"
ARTIFACTS = ("manifest.json", "run_results.json", "sources.json")

QUEUE_TAKES = timedelta(seconds=4)
STEP_TAKES = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class SandboxStep:
    """A step of a run. `command` is None for steps that do not run dbt; they have no artifacts.

    `recording` has the step's artifacts, None if there are none. With an `invocation_id` they
    contain that and the time of the step; with None they are served as recorded, so that two
    steps, or two runs, with the same recording are one invocation. `run_results` replaces the
    recording's, byte for byte.
    """

    name: str
    _: KW_ONLY
    command: str | None = None
    status: int = SUCCESS
    recording: Recording | None = None
    invocation_id: str | None = None
    run_results: bytes | None = None

    def artifact(self, name: str, *, at: datetime) -> bytes | None:
        """One of ARTIFACTS as written at this time; None if the step did not write it."""
        if name == "run_results.json" and self.run_results is not None:
            return self.run_results
        recorded = self._recorded(name)
        if recorded is None or self.invocation_id is None:
            return recorded
        return stamped(recorded, invocation_id=self.invocation_id, generated_at=at)

    def has_artifact(self, name: str) -> bool:
        """Whether the step wrote this artifact."""
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
    """A step that ran `dbt build` or another dbt command, with a new invocation id.

    The default status is that of its recording. With another step's `invocation_id` and
    recording, it is a step that wrote nothing and serves that step's files.
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
    """A run of a job, with the Administrative API's names. `of` creates one with all its steps.

    If `created_at` and `finished_at` are None, `DbtAccount.add_run` sets them: the run ended when
    it was added, or, if it is still running, began then.

    A running run stays so until it is finished, cancelled, or added again with another status.
    With `ends_as` it proceeds by the clock, and has that status after its last step.
    """

    dbt_run_id: int
    steps: tuple[SandboxStep, ...]
    status: int = SUCCESS
    ends_as: int | None = None
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
    steps_override: tuple[str, ...] | None = None
    retrying_run_id: int | None = None
    deferring_run_id: int | None = None
    dbt_version: str = DBT_VERSION
    created_at: datetime | None = None
    finished_at: datetime | None = None

    @classmethod
    def of(cls, *invocations: SandboxStep, dbt_run_id: int, **fields: Any) -> "SandboxRun":
        """A run with these steps after the three with which every run begins.

        The default status is error if one of the invocations failed, else success.
        """
        steps = (*PREPARATIONS, *invocations)
        fields.setdefault("status", outcome_of(steps))
        return cls(dbt_run_id=dbt_run_id, steps=steps, **fields)

    @property
    def has_ended(self) -> bool:
        """Whether its status is final."""
        return self.status not in GOING

    def with_times(self, now: datetime) -> "SandboxRun":
        """The same run with its times set."""
        finished_at = (self.finished_at or now) if self.has_ended else None
        created_at = self.created_at or (finished_at or now) - self._lasted
        return replace(self, created_at=created_at, finished_at=finished_at)

    @property
    def _lasted(self) -> timedelta:
        """How long ago a run with this status was created, by default."""
        if self.status in (QUEUED, STARTING):
            return timedelta()
        return QUEUE_TAKES + (STEP_TAKES * len(self.steps) if self.has_ended else timedelta())

    def at_time(self, now: datetime) -> "SandboxRun":
        """The run's state at this time. Only after `with_times`."""
        if self.has_ended or self.ends_as is None or now < self._starts_at:
            return self
        ends_at = self._starts_at + STEP_TAKES * len(self.steps)
        if now < ends_at:
            return replace(self, status=RUNNING)
        return replace(self, status=self.ends_as, finished_at=ends_at)

    @property
    def started_at(self) -> datetime | None:
        """When its first step began; None if none did. Only after `with_times`."""
        was_cancelled_before = self.finished_at is not None and self.finished_at < self._starts_at
        waits = self.status in (QUEUED, STARTING)
        return None if waits or was_cancelled_before else self._starts_at

    @property
    def _starts_at(self) -> datetime:
        if self.created_at is None:
            raise ValueError("a run has its times once it is added")
        return self.created_at + QUEUE_TAKES

    def step_finished_at(self, index: int) -> datetime:
        """When a step ended, or will end; the first index is 1."""
        ended = self._starts_at + STEP_TAKES * index
        return min(ended, self.finished_at) if self.finished_at else ended

    def steps_begun(self, now: datetime) -> tuple[SandboxStep, ...]:
        """The steps so far. A running or cancelled step has the run's status.

        How dbt Cloud shows that step is not documented: a guess.
        """
        if self.status in (SUCCESS, ERROR):
            return self.steps
        if self.started_at is None:
            return ()
        ended = self._steps_ended(self.finished_at or now)
        running = self.steps[len(ended) :][:1]
        if not (running or self.has_ended):  # it still runs although its steps are over
            ended, running = ended[:-1], ended[-1:]
        return (*ended, *(replace(step, status=self.status) for step in running))

    def _steps_ended(self, by: datetime) -> tuple[SandboxStep, ...]:
        return self.steps[: max(0, (by - self._starts_at) // STEP_TAKES)]

    @property
    def environment(self) -> SandboxEnvironment:
        """Its environment."""
        project = SandboxProject(self.project_id, self.project_name)
        return SandboxEnvironment(
            environment_id=self.environment_id,
            name=self.environment_name,
            project=project,
            dbt_version=self.dbt_version,
        )

    @property
    def invocations(self) -> tuple[SandboxStep, ...]:
        """The job's own steps, after those with which every run begins."""
        return tuple(step for step in self.steps if step not in PREPARATIONS)

    @property
    def has_docs(self) -> bool:
        """Whether a step has generated the project's documentation."""
        return any((step.command or "").startswith(DOCS) for step in self._steps_with_artifacts)

    def has_artifact(self, name: str) -> bool:
        """Whether any step wrote this artifact. None is available before the run has ended."""
        return any(step.has_artifact(name) for step in self._steps_with_artifacts)

    def artifact(self, name: str, index: int | None) -> bytes | None:
        """A step's artifact, by default the last step's; None if there is none."""
        steps = self._steps_with_artifacts
        index = len(steps) if index is None else index
        if not 1 <= index <= len(steps):
            return None
        return steps[index - 1].artifact(name, at=self.step_finished_at(index))

    @property
    def _steps_with_artifacts(self) -> tuple[SandboxStep, ...]:
        """A cancelled step has written no artifacts: a guess."""
        if self.status == CANCELLED and self.finished_at is not None:
            return self._steps_ended(self.finished_at)
        return self.steps if self.has_ended else ()


def outcome_of(steps: Iterable[SandboxStep]) -> int:
    """The status of a run with these steps."""
    return ERROR if any(step.status == ERROR for step in steps) else SUCCESS
