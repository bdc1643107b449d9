"""The Administrative API's answers: the envelope, errors, runs and what belongs to them.

Fields: github.com/dbt-labs/dbt-cloud-openapi-spec, openapi-v2.yaml, RunResponse, RunStepResponse,
RunTrigger, InternalJobDefinition, ResponseStatus. Where it leaves a format open (times, nulls), as
in the recorded answer in open-metadata/OpenMetadata,
ingestion/tests/unit/topology/pipeline/test_dbtcloud.py.
"""

from datetime import UTC, datetime
from http import HTTPStatus
from http.client import responses
from typing import Any

from werkzeug.wrappers import Response

from relay.sandbox.dbt_runs import CANCELLED, ERROR, HUMANIZED, SUCCESS, SandboxRun, SandboxStep
from relay.sandbox.wire import as_json

_MESSAGES = {
    # as the live API said it in October 2025, to one of its users
    400: "The request was invalid. Please double check the provided data and try again.",
    # https://github.com/kestra-io/plugin-dbt/issues/101
    401: "Invalid token.",
    # dbt-labs/terraform-provider-dbtcloud, pkg/dbt_cloud/client_test.go
    404: "The requested resource was not found. Please check that you have the proper permissions.",
}


def enveloped(answer: Any, *, extra: dict[str, Any] | None = None) -> Response:
    """An answer with its status beside it; `extra` is a list's paging."""
    status = _status(HTTPStatus.OK, "Success!")
    body = {"status": status, "data": answer}
    return as_json(body if extra is None else body | {"extra": extra})


def error(code: int, detail: str | None = None) -> Response:
    """An error; `detail` is what is wrong with a request, and in the others unsaid."""
    message = _MESSAGES.get(code) or responses.get(code, "")
    said = detail if code == HTTPStatus.BAD_REQUEST else None
    return as_json({"status": _status(code, message), "data": said}, code)


def _status(code: int, message: str) -> dict[str, Any]:
    return {
        "code": int(code),
        "is_success": code < HTTPStatus.BAD_REQUEST,
        "user_message": message,
        "developer_message": "",
    }


def run_json(
    run: SandboxRun, *, dbt_account_id: int, related: frozenset[str], host_url: str
) -> dict[str, Any]:
    """A run, with its trigger, job and steps where `related` names them; else null, null, []."""
    failed = run.status == ERROR
    path = f"deploy/{dbt_account_id}/projects/{run.project_id}/runs/{run.dbt_run_id}/"
    return {
        "id": run.dbt_run_id,
        "trigger_id": run.dbt_run_id + 3,
        "account_id": dbt_account_id,
        "environment_id": run.environment_id,
        "project_id": run.project_id,
        "job_definition_id": run.dbt_job_id,
        "status": run.status,
        "dbt_version": run.dbt_version,
        "git_branch": run.git_branch,
        "git_sha": run.git_sha,
        "status_message": "dbt command failed" if failed else None,
        "owner_thread_id": None,
        "executed_by_thread_id": None,
        "deferring_run_id": None,
        "artifacts_saved": run.has_ended,
        "artifact_s3_path": None,
        "has_docs_generated": False,
        "has_sources_generated": run.has_left("sources.json"),
        "notifications_sent": run.has_ended,
        "blocked_by": [],
        "created_at": _time(run.created_at),
        "updated_at": _time(run.finished_at or run.started_at),
        "dequeued_at": _time(run.created_at),
        "started_at": _time(run.started_at),
        "finished_at": _time(run.finished_at),
        "last_checked_at": None,
        "last_heartbeat_at": None,
        "should_start_at": None,
        "trigger": _trigger_json(run) if "trigger" in related else None,
        "job": _job_json(run, dbt_account_id) if "job" in related else None,
        "environment": None,
        "run_steps": _steps_json(run, dbt_account_id) if "run_steps" in related else [],
        "status_humanized": HUMANIZED[run.status],
        "in_progress": not run.has_ended,
        "is_complete": run.has_ended,
        "is_success": run.status == SUCCESS,
        "is_error": failed,
        "is_cancelled": run.status == CANCELLED,
        "retrying_run_id": run.retrying_run_id,
        "can_retry": failed,
        "retry_not_supported_reason": None if failed else "RETRY_NOT_FAILED_RUN",
        "job_id": run.dbt_job_id,
        "is_running": None,
        "href": host_url + path,
        "used_repo_cache": None,
    }


def _trigger_json(run: SandboxRun) -> dict[str, Any]:
    return {
        "id": run.dbt_run_id + 3,
        "cause": run.cause,
        "job_definition_id": run.dbt_job_id,
        "git_branch": run.git_branch,
        "git_sha": run.git_sha,
        "azure_pull_request_id": run.azure_pull_request_id,
        "github_pull_request_id": run.github_pull_request_id,
        "gitlab_merge_request_id": run.gitlab_merge_request_id,
        "non_native_pull_request_id": run.non_native_pull_request_id,
        "schema_override": run.schema_override,
        "dbt_version_override": None,
        "threads_override": None,
        "target_name_override": run.target_name_override,
        "generate_docs_override": None,
        "timeout_seconds_override": None,
        "steps_override": None,
        "cause_category": run.cause_category,
    }


def _job_json(run: SandboxRun, dbt_account_id: int) -> dict[str, Any]:
    return {
        "execution": {"timeout_seconds": 0},
        "generate_docs": False,
        "run_generate_sources": False,
        "id": run.dbt_job_id,
        "account_id": dbt_account_id,
        "project_id": run.project_id,
        "environment_id": run.environment_id,
        "name": run.job_name,
        "dbt_version": None,
        "execute_steps": [step.command for step in run.invocations],
        "state": 1,
        "settings": {"threads": 4, "target_name": "default"},
        "job_type": run.job_type,
        "cost_optimization_features": [],
    }


def _steps_json(run: SandboxRun, dbt_account_id: int) -> list[dict[str, Any]]:
    return [
        _step_json(run, index, step) | {"account_id": dbt_account_id}
        for index, step in enumerate(run.steps, start=1)
    ]


def _step_json(run: SandboxRun, index: int, step: SandboxStep) -> dict[str, Any]:
    step_id = run.dbt_run_id * 100 + index
    return {
        "id": step_id,
        "run_id": run.dbt_run_id,
        "index": index,
        "status": step.status,
        "name": step.name,
        "logs": "",
        "debug_logs": "",
        "log_path": None,
        "debug_log_path": None,
        "truncated_debug_logs": None,
        "started_at": _time(run.step_finished_at(index - 1)),
        "finished_at": _time(run.step_finished_at(index)),
        "status_humanized": HUMANIZED[step.status],
        "run_step_command": {"run_step_id": step_id, "dbt_command": step.command}
        if step.command
        else None,
    }


def _time(at: datetime | None) -> str | None:
    # With a blank, as recorded: "2024-05-27 10:42:16.179903+00:00".
    return at.astimezone(UTC).isoformat(sep=" ", timespec="microseconds") if at else None
