"""The body of `POST /jobs/ID/run/`, which starts a run.

github.com/dbt-labs/dbt-cloud-openapi-spec, openapi-v2.yaml, TriggerRunRequestRequest.
"""

from typing import Annotated, Any

import msgspec

from relay.sandbox.dbt_jobs import SandboxJob, executed
from relay.sandbox.dbt_runs import DOCS, QUEUED, SandboxRun, outcome_of

# SandboxRun has fields of the same names.
_KEPT = (
    "cause",
    "git_sha",
    "git_branch",
    "azure_pull_request_id",
    "github_pull_request_id",
    "gitlab_merge_request_id",
    "non_native_pull_request_id",
    "schema_override",
    "target_name_override",
)


class RunRequest(msgspec.Struct, frozen=True):
    """The cause and the overrides. Threads and timeout have no effect on a recording."""

    cause: Annotated[str, msgspec.Meta(min_length=1)]
    git_sha: str | None = None
    git_branch: str | None = None
    azure_pull_request_id: int | None = None
    github_pull_request_id: int | None = None
    gitlab_merge_request_id: int | None = None
    non_native_pull_request_id: int | None = None
    schema_override: str | None = None
    target_name_override: str | None = None
    dbt_version_override: str | None = None
    generate_docs_override: bool | None = None
    steps_override: tuple[str, ...] | None = None

    def run_of(self, job: SandboxJob, dbt_run_id: int) -> SandboxRun:
        """The requested run of this job, still queued."""
        steps = executed(self._commands(job))
        return job.run(
            *steps,
            dbt_run_id=dbt_run_id,
            status=QUEUED,
            ends_as=outcome_of(steps),
            cause_category="api",
            steps_override=self.steps_override,
            **self._overridden(),
        )

    def _commands(self, job: SandboxJob) -> tuple[str, ...]:
        commands = self.steps_override or job.commands
        if self.generate_docs_override is None:
            return commands
        others = tuple(command for command in commands if command != DOCS)
        return (*others, DOCS) if self.generate_docs_override else others

    def _overridden(self) -> dict[str, Any]:
        given = {key: getattr(self, key) for key in _KEPT}
        given["dbt_version"] = self.dbt_version_override
        return {key: value for key, value in given.items() if value is not None}
