"""The account's webhook subscriptions."""

import msgspec

from relay.dbt.subscriptions import WebhookSubscription
from relay.errors import Rejected
from relay.notation import printable, short_message
from relay.vendors.dbt_cloud.answers import MOST_PAGES, Page, decoded
from relay.vendors.observer import Operation
from relay.vendors.transport import Transport


def list_webhook_subscriptions(transport: Transport, path: str) -> tuple[WebhookSubscription, ...]:
    """The account's webhook subscriptions, inactive ones too, in dbt Cloud's order.

    https://docs.getdbt.com/docs/deploy/webhooks, "List all webhook subscriptions". Raises
    Unavailable, BadArtifact, and Rejected: a token may read runs without permission for these.
    """
    what = "the list of webhook subscriptions"
    found: dict[str, WebhookSubscription] = {}
    offset = 0
    for _ in range(MOST_PAGES):
        # Without `limit`: its maximum is not documented.
        params = {"offset": str(offset)} if offset else None
        answer = transport.get(path, params, operation=Operation.LIST_SUBSCRIPTIONS)
        page = decoded(answer, _subscriptions_decoder, what, of="webhooks")
        found |= {row.id: _as_subscription(row) for row in page.data}
        if page.ends_at(offset):
            return tuple(found.values())
        offset += len(page.data)
    raise Rejected(f"dbt Cloud's list of webhook subscriptions has over {MOST_PAGES} pages")


class _Subscription(msgspec.Struct):
    id: str
    client_url: str
    active: bool
    name: str | None = None
    event_types: list[str] | None = None
    job_ids: list[int] | None = None
    deactivate_reason: str | None = None


# Not strict: job_ids are strings in the docs and numbers in dbt-labs/dbt-cloud-openapi-spec.
_subscriptions_decoder = msgspec.json.Decoder(Page[_Subscription], strict=False)


def _as_subscription(row: _Subscription) -> WebhookSubscription:
    return WebhookSubscription(
        subscription_id=printable(row.id),
        name=printable(row.name or ""),
        client_url=printable(row.client_url),
        is_active=row.active,
        event_types=tuple(map(printable, row.event_types or ())),
        dbt_job_ids=frozenset(row.job_ids or ()),
        deactivate_reason=short_message(row.deactivate_reason or "") or None,
    )
