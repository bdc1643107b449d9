"""dbt Cloud's webhook bodies.

https://docs.getdbt.com/docs/deploy/webhooks has a sample of each event. The order of the keys
and the compact form are those of a delivery captured in 2023: the bytes are what is signed.
"""

import secrets
import string
from datetime import UTC, datetime
from typing import Any

import msgspec

from relay.sandbox.dbt_runs import CANCELLED, ERROR, RUNNING, SUCCESS, SandboxRun

# As in the docs; "Canceled" with one l as in the release notes of 25 February 2026.
_RUN_STATUS = {RUNNING: "Running", SUCCESS: "Success", ERROR: "Errored", CANCELLED: "Canceled"}
_KSUID_LENGTH = 27

# Of the subscription that sends them.
WEBHOOK_ID = "wsu_2QGRb6TLFTOlBXsWjL4kb0RHTWc"
WEBHOOK_NAME = "relay"


def completed_event(
    run: SandboxRun, *, dbt_account_id: int, at: datetime, event_id: str | None = None
) -> bytes:
    """`job.run.completed`: the end of a run, also of a failed or cancelled one.

    `at` is when it is sent. By default it has a new event id.
    """
    finished = {"runFinishedAt": _to_the_second(run.finished_at)}
    data = _data(run, run.status) | finished
    return _event("job.run.completed", data, dbt_account_id, at, event_id)


def started_event(
    run: SandboxRun, *, dbt_account_id: int, at: datetime, event_id: str | None = None
) -> bytes:
    """`job.run.started`, whatever the run's status is now."""
    return _event("job.run.started", _data(run, RUNNING), dbt_account_id, at, event_id)


def errored_event(
    run: SandboxRun, *, dbt_account_id: int, at: datetime, event_id: str | None = None
) -> bytes:
    """`job.run.errored`: sent before the artifacts are available; `completed` follows."""
    data = _data(run, ERROR) | {"runErroredAt": _to_the_second(run.finished_at)}
    return _event("job.run.errored", data, dbt_account_id, at, event_id)


def endpoint_test_event(*, dbt_account_id: int, at: datetime, event_id: str | None = None) -> bytes:
    """What the button `Test endpoint` sends: the docs' sample values, and no run status.

    Its exact body is not published; receivers report that it has no status.
    """
    data = {
        "jobId": "123",
        "jobName": "Daily Job (dbt build)",
        "runId": "12345",
        "environmentId": "1234",
        "environmentName": "Production",
        "dbtVersion": "1.0.0",
        "projectName": "Snowflake Github Demo",
        "projectId": "167194",
    }
    return _event("job.run.completed", data, dbt_account_id, at, event_id)


def _data(run: SandboxRun, status: int) -> dict[str, Any]:
    return {
        "jobId": str(run.dbt_job_id),
        "jobName": run.job_name,
        "runId": str(run.dbt_run_id),
        "environmentId": str(run.environment_id),
        "environmentName": run.environment_name,
        "dbtVersion": run.dbt_version,
        "projectName": run.project_name,
        "projectId": str(run.project_id),
        "runStatus": _RUN_STATUS[status],
        "runStatusCode": status,
        # The text None, not null. A failed run's text: zulip/zulip,
        # zerver/webhooks/dbt/fixtures/job_run_completed_errored.json
        "runStatusMessage": "dbt command failed" if status == ERROR else "None",
        "runReason": run.cause,
        "runStartedAt": _to_the_second(run.started_at),
    }


def _event(
    event_type: str, data: dict[str, Any], dbt_account_id: int, at: datetime, event_id: str | None
) -> bytes:
    body = {
        "accountId": dbt_account_id,
        "eventId": event_id or _new_event_id(),
        "timestamp": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z"),  # nanoseconds
        "eventType": event_type,
        "webhookId": WEBHOOK_ID,
        "webhookName": WEBHOOK_NAME,
        "data": data,
    }
    return msgspec.json.encode(body)


def _new_event_id() -> str:
    letters = string.ascii_letters + string.digits
    return "wev_" + "".join(secrets.choice(letters) for _ in range(_KSUID_LENGTH))


def _to_the_second(at: datetime | None) -> str:
    # The release notes of 21 January 2026: a missing time is sent as the beginning of 1970.
    moment = at or datetime.fromtimestamp(0, UTC)
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
