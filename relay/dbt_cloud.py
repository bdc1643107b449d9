"""The dbt Administrative API, as much of it as relay needs.

https://docs.getdbt.com/dbt-cloud/api-v2; v3 has no run endpoints.
"""

import threading
from collections.abc import Callable
from http import HTTPStatus
from typing import TypeVar

import msgspec

from relay.dbt.artifacts import RunResults, read_run_results
from relay.dbt.decoding import Buffer
from relay.dbt.manifest import Lineage, read_manifest
from relay.dbt.runs import DbtRun, Step
from relay.errors import BadArtifact, Rejected
from relay.notation import read_time
from relay.transport import Answer, Download, Transport

Read = TypeVar("Read")


class DbtCloud:
    """One account of dbt Cloud."""

    def __init__(self, transport: Transport, *, dbt_account_id: int) -> None:
        self._transport = transport
        self._dbt_account_id = dbt_account_id
        self._decoding = threading.Lock()

    def get_run(self, dbt_run_id: int) -> DbtRun:
        """A run with its steps. Raises Unavailable, Rejected, BadArtifact."""
        answer = self._transport.ask(
            f"{self._run_path(dbt_run_id)}/", {"include_related": "trigger,job,run_steps"}
        )
        what = f"dbt run {dbt_run_id}"
        try:
            _must_be_good(answer, what)
            run = _run_decoder.decode(answer.body).data
        except (msgspec.DecodeError, RecursionError) as exc:
            raise BadArtifact(f"dbt Cloud's answer for {what} cannot be read: {exc}") from exc
        return _as_dbt_run(run, self._dbt_account_id)

    def get_run_results(self, dbt_run_id: int, *, step: int) -> RunResults | None:
        """What the step wrote into run_results.json; None where it has none.

        Raises Unavailable, Rejected, BadArtifact.
        """
        return self._artifact(dbt_run_id, "run_results.json", step, read_run_results)

    def get_manifest(self, dbt_run_id: int, *, step: int) -> Lineage:
        """The project as the step saw it. Raises Unavailable, Rejected, BadArtifact."""
        lineage = self._artifact(dbt_run_id, "manifest.json", step, read_manifest)
        if lineage is None:
            raise BadArtifact(f"step {step} of dbt run {dbt_run_id} has no manifest.json")
        return lineage

    def _artifact(
        self, dbt_run_id: int, path: str, step: int, read: Callable[[Buffer], Read]
    ) -> Read | None:
        what = f"{path} of step {step} of dbt run {dbt_run_id}"
        # Without `step` dbt Cloud answers with the last step's, often that of `docs generate`.
        artifact = f"{self._run_path(dbt_run_id)}/artifacts/{path}"
        with self._transport.download(artifact, {"step": str(step)}) as download:
            if download.http_status == HTTPStatus.NOT_FOUND:
                return None
            _must_be_good(download, what)
            try:
                # One at a time: decoding is what takes the memory.
                with self._decoding:
                    return read(download.content)
            except BadArtifact as exc:
                raise BadArtifact(f"{what}: {exc}") from exc

    def _run_path(self, dbt_run_id: int) -> str:
        return f"/api/v2/accounts/{self._dbt_account_id}/runs/{dbt_run_id}"


_HINTS: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: "; is DBT_CLOUD_TOKEN right?",
    HTTPStatus.FORBIDDEN: "; may the token read this account's runs?",
    HTTPStatus.NOT_FOUND: "; dbt Cloud also says this where the token may not look",
}


def _must_be_good(answer: Answer | Download, what: str) -> None:
    if answer.ok:
        return
    hint = _HINTS.get(answer.http_status, "")
    raise Rejected(
        f"dbt Cloud answered HTTP {answer.http_status} for {what}{hint}",
        http_status=answer.http_status,
    )


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


_run_decoder = msgspec.json.Decoder(_RunAnswer)


def _as_dbt_run(run: _Run, dbt_account_id: int) -> DbtRun:
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
