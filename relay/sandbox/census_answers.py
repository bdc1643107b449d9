"""The Census API's answers: sync runs, and pages of a list.

docs.getcensus.com "Sync Runs" (April 2023) and "API" (October 2021), and
https://developers.getcensus.com/api-reference/sync-runs/fetch-sync-run, .../syncs/create-a-new-sync
(2024 and later); types and paging: developers.getcensus.com/openapi/compiled/
workspace_management.yaml, a copy of which is github.com/speakeasy-sdks/Census-sample-sdk,
openapi.yaml.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from relay.sandbox.census_runs import COMPLETED, RECORDS, SandboxSyncRun

PER_PAGE = 25
MOST_PER_PAGE = 100


def sync_run_json(run: SandboxSyncRun, *, status: str, now: datetime) -> dict[str, Any]:
    """A run, with its current counts and step."""
    end = run.end
    body: dict[str, Any] = {
        "id": run.sync_run_id,
        "sync_id": run.sync_id,
        **_counts(run),
        "created_at": time_text(run.created_at),
        "updated_at": time_text(end.at if end else now),
        # null in the failed run of the documentation's example, so no sign of an end
        "completed_at": time_text(end.at) if end and end.status == COMPLETED else None,
        "scheduled_execution_time": None,
        "error_code": end.error_code if end else None,
        "error_message": end.error_message if end else None,
        "error_detail": end.error_message if end else None,
        "status": status,
        "canceled": end.canceled if end else False,
        "full_sync": run.full_sync,
        # The only texts that are documented; those of a run the API started are not.
        "sync_trigger_reason": {
            "ui_tag": "Manual",
            "ui_detail": "Manually triggered by test@getcensus.com",
        },
    }
    if not end or end.status == "failed":
        body["current_step"] = "Running sync"
    return body


def _counts(run: SandboxSyncRun) -> dict[str, int | None]:
    end = run.end
    if end is None or end.status != COMPLETED:
        sent = dict.fromkeys(("records_processed", "records_updated", "records_failed"))
        return {"source_record_count": RECORDS, **sent, "records_invalid": 0}
    found = end.records_processed + end.records_invalid
    return {
        "source_record_count": found,
        "source_record_updates": found,
        "source_record_deletes": 0,
        "source_record_invalids": end.records_invalid,
        "records_processed": end.records_processed,
        "records_updated": end.records_processed - end.records_failed,
        "records_failed": end.records_failed,
        "records_invalid": end.records_invalid,
    }


def paged(rows: Sequence[Any], args: Mapping[str, str], url: str) -> dict[str, Any]:
    """One page of ordered rows, with links to the others.

    `next`, a URL, is the older form, still sent with `pagination`.
    """
    per_page = min(_positive(args.get("per_page"), PER_PAGE), MOST_PER_PAGE)
    page = _positive(args.get("page"), 1)
    last_page = max(1, -(-len(rows) // per_page))
    next_page = page + 1 if page < last_page else None
    order = args.get("order", "desc")
    return {
        "status": "success",
        "data": list(rows[(page - 1) * per_page : page * per_page]),
        "pagination": {
            "total_records": len(rows),
            "per_page": per_page,
            "prev_page": page - 1 if page > 1 else None,
            "page": page,
            "next_page": next_page,
            "last_page": last_page,
        },
        "next": next_page and f"{url}?order={order}&page={next_page}&per_page={per_page}",
    }


def _positive(text: str | None, default: int) -> int:
    return int(text) if text and text.isdecimal() and int(text) else default


def time_text(at: datetime) -> str:
    """A time as Census writes it."""
    moment = at.astimezone(UTC).isoformat(timespec="milliseconds")
    return moment.replace("+00:00", "Z")
