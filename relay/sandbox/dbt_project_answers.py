"""The Administrative API's responses about an account, its projects, environments and jobs.

Fields: github.com/dbt-labs/dbt-cloud-openapi-spec, openapi-v2.yaml, AccountResponse,
ProjectResponse, EnvironmentV2Response and HumanReadableJobDefinitionResponse; of an account those
that clients read. Formats and nulls are those of the recorded responses in data-mie/dbt-cloud-cli,
README.md, and, for jobs, in open-metadata/OpenMetadata,
ingestion/tests/unit/topology/pipeline/test_dbtcloud.py. v3 has the same fields here.
"""

from datetime import UTC, datetime
from typing import Any

from relay.sandbox.dbt_jobs import SandboxJob
from relay.sandbox.dbt_projects import SandboxEnvironment, SandboxProject
from relay.sandbox.dbt_subscriptions import ACCOUNT_IDENTIFIER

# None of these is ever changed here, so one time is enough.
_CREATED_AT = datetime(2023, 5, 29, 7, 0, tzinfo=UTC)


def account_json(dbt_account_id: int) -> dict[str, Any]:
    """The account."""
    return {
        "id": dbt_account_id,
        "name": "Sandbox",
        "identifier": ACCOUNT_IDENTIFIER,
        "state": 1,
        "plan": "enterprise",
        "pending_cancel": False,
        "run_slots": 5,
        "developer_seats": 8,
        "it_seats": 0,
        "explorer_seats": 0,
        "read_only_seats": 50,
        "queue_limit": 50,
        "run_duration_limit_seconds": 86400,
        "locked": False,
        "lock_reason": None,
        "lock_cause": None,
        "unlocked_at": None,
        "docs_job_id": None,
        "freshness_job_id": None,
        "created_at": time_json(_CREATED_AT),
        "updated_at": time_json(_CREATED_AT),
    }


def project_json(project: SandboxProject, dbt_account_id: int) -> dict[str, Any]:
    """A project, without its connection, repository and environments."""
    return {
        "id": project.project_id,
        "name": project.name,
        "description": "",
        "account_id": dbt_account_id,
        "connection_id": None,
        "repository_id": None,
        "semantic_layer_config_id": None,
        "state": 1,
        "type": 0,
        "dbt_project_subdirectory": None,
        "docs_job_id": None,
        "freshness_job_id": None,
        "created_at": time_json(_CREATED_AT),
        "updated_at": time_json(_CREATED_AT),
        "connection": None,
        "environments": None,
        "repository": None,
        "group_permissions": [],
        "docs_job": None,
        "freshness_job": None,
    }


def environment_json(environment: SandboxEnvironment, dbt_account_id: int) -> dict[str, Any]:
    """A deployment environment."""
    return {
        "id": environment.environment_id,
        "account_id": dbt_account_id,
        "project_id": environment.project.project_id,
        "name": environment.name,
        "connection_id": None,
        "credentials_id": None,
        "repository_id": None,
        "extended_attributes_id": None,
        "use_custom_branch": False,
        "custom_branch": None,
        "dbt_project_subdirectory": None,
        "dbt_version": environment.dbt_version,
        "raw_dbt_version": environment.dbt_version,
        "supports_docs": False,
        "type": "deployment",
        "deployment_type": environment.deployment_type,
        "created_by_id": None,
        "state": 1,
        "created_at": time_json(_CREATED_AT),
        "updated_at": time_json(_CREATED_AT),
        "repository": None,
        "connection": None,
        "jobs": None,
        "custom_environment_variables": None,
    }


def job_json(job: SandboxJob, dbt_account_id: int) -> dict[str, Any]:
    """A job."""
    return {
        "execution": {"timeout_seconds": 0},
        "generate_docs": False,
        "run_generate_sources": False,
        "run_compare_changes": False,
        "run_lint": False,
        "errors_on_lint_failure": True,
        "id": job.dbt_job_id,
        "account_id": dbt_account_id,
        "project_id": job.project_id,
        "environment_id": job.environment_id,
        "name": job.name,
        "description": "",
        "dbt_version": None,
        "raw_dbt_version": None,
        "created_at": _CREATED_AT.isoformat(timespec="microseconds"),
        "updated_at": _CREATED_AT.isoformat(timespec="microseconds"),
        "execute_steps": job.commands,
        "state": 1,
        "deactivated": False,
        "run_failure_count": 0,
        "deferring_job_definition_id": None,
        "deferring_environment_id": None,
        "lifecycle_webhooks": False,
        "lifecycle_webhooks_url": None,
        "cost_optimization_features": [],
        "triggers": {
            "github_webhook": job.job_type == "ci",
            "git_provider_webhook": False,
            "schedule": job.cron is not None,
            "on_merge": job.job_type == "merge",
        },
        "settings": {"threads": 4, "target_name": "default"},
        "schedule": _schedule_json(job.cron or "0 * * * *"),
        "is_deferrable": False,
        "job_type": job.job_type,
        "triggers_on_draft_pr": False,
        "job_completion_trigger_condition": None,
        "generate_sources": False,
        "next_run": None,
        "next_run_humanized": None,
    }


def _schedule_json(cron: str) -> dict[str, Any]:
    # A job without a schedule has this field too, as recorded, with `triggers.schedule` false.
    return {
        "cron": cron,
        "date": {"type": "custom_cron", "cron": cron},
        "time": {"type": "every_hour", "interval": 1},
    }


def time_json(at: datetime | None) -> str | None:
    """With a space, as recorded: "2024-05-27 10:42:16.179903+00:00"; jobs alone have a T."""
    return at.astimezone(UTC).isoformat(sep=" ", timespec="microseconds") if at else None
