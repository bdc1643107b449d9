"""The Administrative API's responses: the envelope, errors, runs and their steps.

Fields: github.com/dbt-labs/dbt-cloud-openapi-spec, openapi-v2.yaml, RunResponse, RunStepResponse,
RunTrigger, InternalJobDefinition, ResponseStatus. Where it does not define a format (times,
durations, nulls), as in the recorded responses in open-metadata/OpenMetadata,
ingestion/tests/unit/topology/pipeline/test_dbtcloud.py, and for a cancelled run in
data-mie/dbt-cloud-cli, README.md.
"""

from datetime import datetime
from http import HTTPStatus
from http.client import responses
from typing import Any

from werkzeug.wrappers import Response

from relay.sandbox.dbt_durations import clock_time, humanized
from relay.sandbox.dbt_project_answers import environment_json, time_json
from relay.sandbox.dbt_runs import (
    CANCELLED,
    ERROR,
    GOING,
    HUMANIZED,
    SUCCESS,
    SandboxRun,
    SandboxStep,
)
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
    """A response with its status; `extra` has the paging of a list."""
    status = _status(HTTPStatus.OK, "Success!")
    body = {"status": status, "data": answer}
    return as_json(body if extra is None else body | {"extra": extra})


def error(code: int, detail: str | None = None) -> Response:
    """An error response; `detail` is the problem of an invalid request."""
    message = _MESSAGES.get(code) or responses.get(code, "")
    said = detail if code == HTTPStatus.BAD_REQUEST else None
    return as_json({"status": _status(code, message), "data": said}, code)


def not_served(code: int, said: str) -> Response:
    """The response for a route that the simulator lacks; not one of dbt Cloud's."""
    return as_json({"status": _status(code, said), "data": None}, code)


def _status(code: int, message: str) -> dict[str, Any]:
    return {
        "code": int(code),
        "is_success": code < HTTPStatus.BAD_REQUEST,
        "user_message": message,
        "developer_message": "",
    }


def run_json(
    run: SandboxRun,
    *,
    dbt_account_id: int,
    related: frozenset[str],
    host_url: str,
    now: datetime,
) -> dict[str, Any]:
    """A run, with those of its trigger, job, environment and steps that `related` contains.

    The others are null, null, null and [].
    """
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
        "git_branch": run.git_branch if run.started_at else None,
        "git_sha": run.git_sha if run.started_at else None,
        "status_message": _STATUS_MESSAGES.get(run.status),
        "owner_thread_id": None,
        "executed_by_thread_id": None,
        "deferring_run_id": run.deferring_run_id,
        "artifacts_saved": run.has_ended and run.started_at is not None,
        "artifact_s3_path": None,
        "has_docs_generated": run.has_docs,
        "has_sources_generated": run.has_artifact("sources.json"),
        "notifications_sent": run.has_ended,
        "blocked_by": [],
        "created_at": time_json(run.created_at),
        "updated_at": time_json(run.finished_at or run.started_at or run.created_at),
        "dequeued_at": time_json(run.created_at if run.started_at else None),
        "started_at": time_json(run.started_at),
        "finished_at": time_json(run.finished_at),
        "last_checked_at": None,
        "last_heartbeat_at": None,
        "should_start_at": None,
        "trigger": _trigger_json(run) if "trigger" in related else None,
        "job": _job_json(run, dbt_account_id) if "job" in related else None,
        "environment": environment_json(run.environment, dbt_account_id)
        if "environment" in related
        else None,
        "run_steps": _steps_json(run, dbt_account_id, now) if "run_steps" in related else [],
        "status_humanized": HUMANIZED[run.status],
        "in_progress": not run.has_ended,
        "is_complete": run.has_ended,
        "is_success": run.status == SUCCESS,
        "is_error": failed,
        "is_cancelled": run.status == CANCELLED,
        **_durations(run, now),
        "retrying_run_id": run.retrying_run_id,
        "can_retry": failed,
        "retry_not_supported_reason": None if failed else "RETRY_NOT_FAILED_RUN",
        "job_id": run.dbt_job_id,
        "is_running": None,
        "href": host_url + path,
        "used_repo_cache": None,
    }


_STATUS_MESSAGES = {ERROR: "dbt command failed", CANCELLED: "Cancelled by user."}


def _durations(run: SandboxRun, now: datetime) -> dict[str, str]:
    created_at = run.created_at or now
    until = run.finished_at or now
    started_at = run.started_at or until
    spans = {
        "duration": until - created_at,
        "queued_duration": started_at - created_at,
        "run_duration": until - started_at,
    }
    since_end = f"{humanized(now - until)} ago" if run.finished_at else "0 minutes from now"
    return (
        {name: clock_time(span) for name, span in spans.items()}
        | {f"{name}_humanized": humanized(span) for name, span in spans.items()}
        | {
            "created_at_humanized": f"{humanized(now - created_at)} ago",
            "finished_at_humanized": since_end,
        }
    )


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
        "steps_override": run.steps_override,
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


def _steps_json(run: SandboxRun, dbt_account_id: int, now: datetime) -> list[dict[str, Any]]:
    return [
        _step_json(run, index, step, now) | {"account_id": dbt_account_id}
        for index, step in enumerate(run.steps_begun(now), start=1)
    ]


def _step_json(run: SandboxRun, index: int, step: SandboxStep, now: datetime) -> dict[str, Any]:
    step_id = run.dbt_run_id * 100 + index
    started_at = run.step_finished_at(index - 1)
    finished_at = None if step.status in GOING else run.step_finished_at(index)
    took = (finished_at or now) - started_at
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
        "started_at": time_json(started_at),
        "finished_at": time_json(finished_at),
        "status_humanized": HUMANIZED[step.status],
        "duration": clock_time(took),
        "duration_humanized": humanized(took),
        "run_step_command": {"run_step_id": step_id, "dbt_command": step.command}
        if step.command
        else None,
    }
