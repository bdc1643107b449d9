"""One run with its trigger, job and steps: dbt Cloud's fields, converted to a DbtRun."""

from collections.abc import Iterator
from typing import Any

import msgspec

from relay.dbt.runs import (
    CANCELLED,
    ENDED,
    ERROR,
    PREPARING_STEPS,
    QUEUED,
    SUCCESS,
    DbtRun,
    Step,
)
from relay.errors import BadArtifact
from relay.notation import read_time, short_message
from relay.vendors.dbt_cloud.answers import normalized
from relay.vendors.ids import VendorId

_CAUSES_OF_DEPLOYMENT_JOBS = frozenset({"scheduled", "job completion"})
# Responses recorded in 2022 have each of these keys. Others that mark a CI run came later:
# `cause_category`, `non_native_pull_request_id`.
_CI_KEYS = (
    "schema_override",
    "github_pull_request_id",
    "gitlab_merge_request_id",
    "azure_pull_request_id",
)


_PullRequestId = int | str | msgspec.UnsetType | None


class _Trigger(msgspec.Struct):
    """What started a run. dbt Cloud sends null for fields that do not apply."""

    cause: Any = None
    cause_category: str | None = None
    schema_override: str | msgspec.UnsetType | None = msgspec.UNSET
    target_name_override: str | None = None
    github_pull_request_id: _PullRequestId = msgspec.UNSET
    gitlab_merge_request_id: _PullRequestId = msgspec.UNSET
    azure_pull_request_id: _PullRequestId = msgspec.UNSET
    non_native_pull_request_id: _PullRequestId = msgspec.UNSET

    @property
    def pull_request_id(self) -> str | None:
        ids = (
            self.github_pull_request_id,
            self.gitlab_merge_request_id,
            self.azure_pull_request_id,
            self.non_native_pull_request_id,
        )
        return next((str(pull_request_id) for pull_request_id in ids if pull_request_id), None)

    @property
    def lacks(self) -> tuple[str, ...]:
        """The absent keys that could show that the run built into its own schema."""
        return tuple(key for key in _CI_KEYS if getattr(self, key) is msgspec.UNSET)


class _JobSettings(msgspec.Struct):
    target_name: str | None = None


class _Job(msgspec.Struct):
    name: Any = None
    job_type: str | None = None
    settings: _JobSettings | None = None

    @property
    def target_name(self) -> str | None:
        return self.settings.target_name if self.settings else None


class _Command(msgspec.Struct):
    dbt_command: str | None = None


class _Step(msgspec.Struct):
    index: int
    status: int
    name: str | None = None
    started_at: Any = msgspec.UNSET
    run_step_command: _Command | None = None

    @property
    def has_begun(self) -> bool:
        """Whether it may have begun: it did not if it was queued, or cancelled before its start.

        The status alone is not enough, because a running step may be cancelled too; an absent
        time is not enough either.
        """
        return self.started_at is not None or self.status not in (QUEUED, CANCELLED)


class AnsweredRun(msgspec.Struct):
    """A run as dbt Cloud sends it."""

    id: VendorId
    status: int
    job_definition_id: VendorId | None = None
    project_id: VendorId | None = None
    environment_id: VendorId | None = None
    created_at: str | None = None
    started_at: str | None = None
    finished_at: str | None = None
    git_sha: str | None = None
    retrying_run_id: VendorId | msgspec.UnsetType | None = msgspec.UNSET
    trigger: _Trigger | None = None
    job: _Job | None = None
    environment: Any = None
    run_steps: list[_Step] | None = None

    @property
    def environment_name(self) -> object:
        """The name of its environment, if the response has one."""
        return self.environment.get("name") if isinstance(self.environment, dict) else None

    @property
    def cannot_be_ci(self) -> bool:
        """Whether it is known not to be a CI run, even if its job has been deleted since.

        Only deployment jobs have a schedule, or run on the completion of another job.
        """
        is_of_a_known_job = self.job is not None and normalized(self.job.job_type) is not None
        cause = self.trigger.cause_category if self.trigger else None
        return is_of_a_known_job or normalized(cause) in _CAUSES_OF_DEPLOYMENT_JOBS

    @property
    def lost_steps(self) -> tuple[int, ...]:
        """The indexes that `run_steps` lacks, although it has a later step.

        Of those before its first step, only the indexes of commands count.
        """
        indexes = {step.index for step in self.run_steps or ()}
        first = min(PREPARING_STEPS + 1, *indexes) if indexes else 0
        return tuple(
            index for index in range(first, max(indexes, default=0)) if index not in indexes
        )

    @property
    def may_hide_a_retried_run(self) -> bool:
        """Whether it runs `dbt retry`, and the response has no key for the run that it retries."""
        commands = (_as_step(step).dbt_command for step in self.run_steps or ())
        return self.retrying_run_id is msgspec.UNSET and "retry" in commands


class RunAnswer(msgspec.Struct):
    """The whole response."""

    data: AnsweredRun


run_decoder = msgspec.json.Decoder(RunAnswer)


def as_dbt_run(run: AnsweredRun, dbt_account_id: int) -> DbtRun:
    """Convert a run. Raises BadArtifact if fields are absent that a decision needs.

    A cancelled run may lack any field: it triggers nothing.
    """
    return _complete(run, dbt_account_id, statuses=frozenset({SUCCESS, ERROR}))


def as_retried_run(run: AnsweredRun, dbt_account_id: int) -> DbtRun:
    """Convert a run that another one retries. Raises BadArtifact as `as_dbt_run` does.

    A cancelled one must be complete too: what it rebuilt counts for the run that retries it.
    """
    return _complete(run, dbt_account_id, statuses=ENDED)


def _complete(run: AnsweredRun, dbt_account_id: int, *, statuses: frozenset[int]) -> DbtRun:
    """The run; with one of these statuses, no field that a decision needs may be absent."""
    dbt_run = _as_described(run, dbt_account_id)
    if run.status in statuses and dbt_run.never_counts_because is None:
        _must_be_complete(run)
    return dbt_run


def _as_described(run: AnsweredRun, dbt_account_id: int) -> DbtRun:
    trigger, job = run.trigger or _Trigger(), run.job or _Job()
    return DbtRun(
        dbt_account_id=dbt_account_id,
        dbt_run_id=run.id,
        dbt_job_id=run.job_definition_id,
        project_id=run.project_id,
        environment_id=run.environment_id,
        status=run.status,
        started_at=read_time(run.started_at) or read_time(run.created_at),
        finished_at=read_time(run.finished_at),
        job_type=normalized(job.job_type),
        cause_category=normalized(trigger.cause_category),
        pull_request_id=trigger.pull_request_id,
        schema_override=trigger.schema_override or None,
        git_sha=run.git_sha,
        job_name=_name(job.name),
        environment_name=_name(run.environment_name),
        cause=_name(trigger.cause),
        target=trigger.target_name_override or job.target_name,
        retrying_run_id=_retried_by(run),
        steps=tuple(_as_step(step) for step in run.run_steps or ()),
    )


def _name(text: object) -> str | None:
    """A text for people, made storable and printable; None if it is none. No decision needs it."""
    return short_message(text) or None if isinstance(text, str) else None


def _must_be_complete(run: AnsweredRun) -> None:
    """Raise BadArtifact if a field is absent that a decision needs.

    dbt Cloud has sent nulls for what `include_related` requested.
    """
    absent = [name for name, is_absent in _absences(run) if is_absent]
    if absent:
        raise BadArtifact(
            f"dbt run {run.id} has ended, but dbt Cloud's response lacks {', '.join(absent)}: "
            "without it relay cannot tell what the run was or did"
        )


def _absences(run: AnsweredRun) -> Iterator[tuple[str, bool]]:
    # An empty trigger would look like one without a schema override and a pull request.
    yield "trigger", run.trigger is None
    for key in run.trigger.lacks if run.trigger else ():
        yield f"trigger.{key}", True
    is_unknown_job = run.trigger is not None and not run.cannot_be_ci
    yield "job" if run.job is None else "job.job_type", is_unknown_job
    yield "started_at", read_time(run.started_at) is None and read_time(run.created_at) is None
    yield "finished_at", read_time(run.finished_at) is None
    # A failed run may have ended before its first step; a successful one has done something.
    steps = run.run_steps
    yield "run_steps", steps is None or (run.status == SUCCESS and not any(map(_did_more, steps)))
    for index in run.lost_steps:
        yield f"step {index} of run_steps", True
    yield "retrying_run_id", run.may_hide_a_retried_run


def _did_more(answered: _Step) -> bool:
    """Whether the step did more than prepare the run."""
    return answered.index > PREPARING_STEPS or _as_step(answered).may_have_run_results


def _retried_by(run: AnsweredRun) -> int | None:
    retried = run.retrying_run_id
    return None if retried is msgspec.UNSET else retried or None  # 0 means none


def _as_step(step: _Step) -> Step:
    name = step.name or ""
    command = step.run_step_command.dbt_command if step.run_step_command else None
    return Step(
        index=step.index,
        name=name,
        status=step.status,
        command=command or _command_in(name),
        has_begun=step.has_begun,
    )


def _command_in(name: str) -> str | None:
    """The command in a step's name: ``Invoke dbt with `dbt build` ``."""
    _, tick, rest = name.partition("`")
    return rest.rpartition("`")[0] or None if tick else None
