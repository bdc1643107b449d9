"""The simulated dbt Cloud's webhook subscriptions, and their list.

The fields and formats are those of the sample in https://docs.getdbt.com/docs/deploy/webhooks,
"List all webhook subscriptions"; `deactivate_reason` is from
github.com/dbt-labs/dbt-cloud-openapi-spec, openapi-v3.yaml, Subscription.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from werkzeug.wrappers import Response

from relay.sandbox.wire import as_json

ACCOUNT_IDENTIFIER = "act_2QGRb5hzzeCNe5y2YBLsVKBWaB8"
PER_PAGE = 10  # as in the sample; the default is not documented


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSubscription:
    """A webhook subscription, with the API's names; without job_ids it is for all jobs.

    `created_at` None means the time at which it is added.
    """

    webhook_id: str
    client_url: str
    name: str = "relay"
    description: str = ""
    event_types: tuple[str, ...] = ("job.run.completed",)
    job_ids: tuple[int, ...] = ()
    active: bool = True
    http_status_code: str = "0"  # nothing was sent yet
    deactivate_reason: str | None = None
    created_at: datetime | None = None


def page_of(
    subscriptions: Sequence[SandboxSubscription], args: Mapping[str, str], *, account_id: int
) -> Response:
    """The requested page. Raises ValueError for a limit or an offset that is not a number."""
    limit, offset = int(args.get("limit", PER_PAGE)), int(args.get("offset", 0))
    page = subscriptions[offset : offset + limit]
    return as_json(
        {
            "data": [_json(subscription, account_id) for subscription in page],
            "status": {"code": 200},
            "extra": {
                "pagination": {"total_count": len(subscriptions), "count": len(page)},
                "filters": {"offset": offset, "limit": limit},
            },
        }
    )


def _json(subscription: SandboxSubscription, account_id: int) -> dict[str, Any]:
    said = {
        "id": subscription.webhook_id,
        "account_identifier": ACCOUNT_IDENTIFIER,
        "name": subscription.name,
        "description": subscription.description,
        "job_ids": [str(job_id) for job_id in subscription.job_ids],
        "event_types": list(subscription.event_types),
        "client_url": subscription.client_url,
        "active": subscription.active,
        "created_at": _microseconds(subscription.created_at),
        "updated_at": _microseconds(subscription.created_at),
        "account_id": str(account_id),
        "http_status_code": subscription.http_status_code,
    }
    reason = subscription.deactivate_reason
    return said if reason is None else said | {"deactivate_reason": reason}


def _microseconds(at: datetime | None) -> str:
    return str(int(at.timestamp() * 1_000_000)) if at else "0"
