"""One run with its trigger, job and steps: dbt Cloud's fields, and the run made of them."""

import msgspec

from relay.dbt.runs import DbtRun, Step
from relay.notation import read_time


class _Trigger(msgspec.Struct):
    cause_category: str | None = None
    schema_override: str | None = None
    target_name_override: str | None = None
    github_pull_request_id: int | str | None = None
    gitlab_merge_request_id: int | str | None = None
    azure_pull_request_id: int | str | None = None
    non_native_pull_request_id: int | str | None = None

    @property
    def pull_request_id(self) -> str | None:
        ids = (
            self.github_pull_request_id,
            self.gitlab_merge_request_id,
            self.azure_pull_request_id,
            self.non_native_pull_request_id,
        )
        return next((str(each) for each in ids if each), None)


class _JobSettings(msgspec.Struct):
    target_name: str | None = None


class _Job(msgspec.Struct):
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
    run_step_command: _Command | None = None


class _Run(msgspec.Struct):
    id: int
    status: int
    job_definition_id: int | None = None
    project_id: int | None = None
    environment_id: int | None = None
    finished_at: str | None = None
    git_sha: str | None = None
    retrying_run_id: int | None = None
    trigger: _Trigger | None = None
    job: _Job | None = None
    run_steps: list[_Step] | None = None


class _RunAnswer(msgspec.Struct):
    data: _Run


run_decoder = msgspec.json.Decoder(_RunAnswer)


def as_dbt_run(run: _Run, dbt_account_id: int) -> DbtRun:
    """The run that an answer tells of."""
    trigger, job = run.trigger or _Trigger(), run.job or _Job()
    return DbtRun(
        dbt_account_id=dbt_account_id,
        dbt_run_id=run.id,
        dbt_job_id=run.job_definition_id,
        project_id=run.project_id,
        environment_id=run.environment_id,
        status=run.status,
        finished_at=read_time(run.finished_at),
        job_type=job.job_type,
        cause_category=trigger.cause_category,
        pull_request_id=trigger.pull_request_id,
        schema_override=trigger.schema_override,
        git_sha=run.git_sha,
        target=trigger.target_name_override or job.target_name,
        retrying_run_id=run.retrying_run_id,
        steps=tuple(_as_step(step) for step in run.run_steps or ()),
    )


def _as_step(step: _Step) -> Step:
    name = step.name or ""
    command = step.run_step_command.dbt_command if step.run_step_command else None
    return Step(index=step.index, name=name, status=step.status, command=command or _named(name))


def _named(name: str) -> str | None:
    """The command in a step's name: ``Invoke dbt with `dbt build` ``."""
    _, tick, rest = name.partition("`")
    return rest.rpartition("`")[0] or None if tick else None
