"""The parts of the dbt Administrative API that relay needs.

https://docs.getdbt.com/dbt-cloud/api-v2; v3 has no endpoints for runs, v2 none for webhooks.
"""

import threading
from collections.abc import Callable
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import TypeVar

from relay.dbt.artifacts import RunResults, read_run_results
from relay.dbt.decoding import Buffer, with_printable_texts
from relay.dbt.environments import DbtEnvironment, DbtJob
from relay.dbt.manifest import Lineage, read_manifest
from relay.dbt.project import Project, read_project
from relay.dbt.runs import DbtRun, FinishedRun
from relay.dbt.subscriptions import WebhookSubscription
from relay.errors import BadArtifact
from relay.vendors.dbt_cloud import environments, run_list, subscriptions
from relay.vendors.dbt_cloud.answers import decoded, require_success
from relay.vendors.dbt_cloud.runs import (
    AnsweredRun,
    RunAnswer,
    as_dbt_run,
    as_retried_run,
    run_decoder,
)
from relay.vendors.observer import Operation
from relay.vendors.transport import Transport

Read = TypeVar("Read")

_OPERATIONS = {
    "run_results.json": Operation.GET_RUN_RESULTS,
    "manifest.json": Operation.GET_MANIFEST,
}


class DbtCloud:
    """One account of dbt Cloud."""

    def __init__(self, transport: Transport, *, dbt_account_id: int) -> None:
        self._transport = transport
        self.dbt_account_id = dbt_account_id
        self._decoding = threading.Lock()

    def get_run(self, dbt_run_id: int) -> DbtRun:
        """A run with its steps. Raises Unavailable, Rejected, BadArtifact."""
        return as_dbt_run(self._get_answered_run(dbt_run_id), self.dbt_account_id)

    def get_retried_run(self, dbt_run_id: int) -> DbtRun:
        """A run that another one retries; complete even if it was cancelled.

        Raises Unavailable, Rejected, BadArtifact.
        """
        return as_retried_run(self._get_answered_run(dbt_run_id), self.dbt_account_id)

    def get_run_results(self, dbt_run_id: int, *, step: int) -> RunResults | None:
        """The step's run_results.json; None if it has none.

        Raises Unavailable, Rejected, BadArtifact.
        """
        return self._artifact(dbt_run_id, "run_results.json", step, read_run_results)

    def get_manifest(self, dbt_run_id: int, *, step: int) -> Lineage:
        """The project at that step. Raises Unavailable, Rejected, BadArtifact."""
        lineage = self._artifact(dbt_run_id, "manifest.json", step, read_manifest)
        if lineage is None:
            raise BadArtifact(f"step {step} of dbt run {dbt_run_id} has no manifest.json")
        return lineage

    def get_project(
        self, dbt_run_id: int, *, step: int, environment_id: int | None
    ) -> Project | None:
        """The project with what it builds, as the step saw it; None where it has no manifest.

        `environment_id` is the run's. Raises Unavailable, Rejected, BadArtifact.
        """
        read = partial(read_project, environment_id=environment_id)
        return self._artifact(dbt_run_id, "manifest.json", step, read)

    def list_finished_runs(self, *, since: datetime, until: datetime) -> tuple[FinishedRun, ...]:
        """See `run_list.list_finished_runs`."""
        path = f"{self._account_path('v2')}/runs/"
        return run_list.list_finished_runs(self._transport, path, since=since, until=until)

    def list_webhook_subscriptions(self) -> tuple[WebhookSubscription, ...]:
        """The account's webhook subscriptions, inactive ones too, in dbt Cloud's order."""
        path = f"{self._account_path('v3')}/webhooks/subscriptions"
        return subscriptions.list_webhook_subscriptions(self._transport, path)

    def get_environment(self, environment_id: int) -> DbtEnvironment:
        """One of the account's environments. Raises Unavailable, Rejected, BadArtifact."""
        path = f"{self._account_path('v2')}/environments/"
        return environments.get_environment(self._transport, path, environment_id)

    def list_environments(self) -> tuple[DbtEnvironment, ...]:
        """The account's environments. Raises Unavailable, Rejected, BadArtifact."""
        path = f"{self._account_path('v2')}/environments/"
        return environments.list_environments(self._transport, path)

    def list_jobs(self) -> tuple[DbtJob, ...]:
        """The account's jobs, CI jobs too. Raises Unavailable, Rejected, BadArtifact."""
        return environments.list_jobs(self._transport, f"{self._account_path('v2')}/jobs/")

    def _get_answered_run(self, dbt_run_id: int) -> AnsweredRun:
        answer = self._transport.get(
            f"{self._run_path(dbt_run_id)}/",
            {"include_related": "trigger,job,environment,run_steps"},
            operation=Operation.GET_RUN,
        )
        run = decoded(answer, run_decoder, f"dbt run {dbt_run_id}")
        return with_printable_texts(RunAnswer, run).data

    def _artifact(
        self, dbt_run_id: int, path: str, step: int, read: Callable[[Buffer], Read]
    ) -> Read | None:
        what = f"{path} of step {step} of dbt run {dbt_run_id}"
        # Without `step` dbt Cloud returns the last step's, often that of `docs generate`.
        artifact = f"{self._run_path(dbt_run_id)}/artifacts/{path}"
        with self._transport.download(
            artifact, {"step": str(step)}, operation=_OPERATIONS[path]
        ) as download:
            if download.http_status == HTTPStatus.NOT_FOUND:
                return None
            require_success(download, what)
            try:
                # One at a time: decoding needs most of the memory.
                with self._decoding:
                    return read(download.content)
            except BadArtifact as exc:
                raise BadArtifact(f"{what}: {exc}") from exc

    def _run_path(self, dbt_run_id: int) -> str:
        return f"{self._account_path('v2')}/runs/{dbt_run_id}"

    def _account_path(self, api_version: str) -> str:
        return f"/api/{api_version}/accounts/{self.dbt_account_id}"
