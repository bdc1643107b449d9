"""The simulators' state and requests: the responses of the control routes."""

from typing import Any

from relay.sandbox.census import SandboxCensus
from relay.sandbox.census_runs import SandboxSync, SandboxSyncRun
from relay.sandbox.dbt_cloud import SandboxDbtCloud
from relay.sandbox.dbt_runs import HUMANIZED, SandboxRun
from relay.sandbox.wire import Seen


def state_json(dbt_cloud: SandboxDbtCloud, census: SandboxCensus) -> dict[str, Any]:
    """The whole state."""
    return {
        "dbt_runs": [dbt_run_json(run) for run in dbt_cloud.runs],
        "syncs": [sync_json(sync) for sync in census.syncs],
        "sync_runs": [sync_run_json(census, run) for run in census.sync_runs],
        "request_counts": {
            "dbt_cloud": dbt_cloud.request_counts,
            "census": census.request_counts,
        },
        "requests": {
            "dbt_cloud": [_request_line(seen) for seen in dbt_cloud.requests],
            "census": [_request_line(seen) for seen in census.requests],
        },
    }


def dbt_run_json(run: SandboxRun) -> dict[str, Any]:
    """A dbt run."""
    return {
        "dbt_run_id": run.dbt_run_id,
        "dbt_job_id": run.dbt_job_id,
        "status": HUMANIZED[run.status],
        "pull_request": run.github_pull_request_id,
        "steps": [step.name for step in run.steps],
    }


def sync_json(sync: SandboxSync) -> dict[str, Any]:
    """A sync; `refusal` is the message for every trigger, null if it can start."""
    return {"sync_id": sync.sync_id, "label": sync.label, "refusal": sync.refusal}


def sync_run_json(census: SandboxCensus, run: SandboxSyncRun) -> dict[str, Any]:
    """A sync run."""
    return {
        "sync_run_id": run.sync_run_id,
        "sync_id": run.sync_id,
        "status": census.status(run),
    }


def _request_line(seen: Seen) -> str:
    return f"{seen.at.isoformat()} {seen.line}{'?' * bool(seen.query)}{seen.query}"
