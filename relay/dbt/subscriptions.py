"""dbt Cloud's webhook subscriptions: do they report the end of every mapped run? No I/O here.

Values only; `vendors/dbt_cloud/` creates them from responses of the Administrative API.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from relay.dbt.deliveries import RUN_COMPLETED


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSubscription:
    """Which events of which jobs dbt Cloud sends to which URL.

    `dbt_job_ids` is empty for all jobs of the account. `deactivate_reason` is dbt Cloud's text on
    why a subscription is not active, or None.
    """

    subscription_id: str
    name: str
    client_url: str
    is_active: bool
    event_types: tuple[str, ...]
    dbt_job_ids: frozenset[int] = frozenset()
    deactivate_reason: str | None = None

    def leads_to(self, url_path: str) -> bool:
        """Whether the path of its URL ends in this one."""
        try:
            return urlsplit(self.client_url).path.endswith(url_path)
        except ValueError:  # brackets without an IPv6 address
            return False

    def __str__(self) -> str:
        url = urlsplit(self.client_url)
        # Without possible secrets: a password, or a token in the query.
        address = f"{url.scheme}://{url.netloc.rpartition('@')[2]}{url.path}"
        return f"webhook subscription {self.name!r} ({self.subscription_id}) to {address}"


def problems_of(
    subscriptions: Iterable[WebhookSubscription],
    *,
    url_path: str = "/webhooks/dbt",
    mapped_job_ids: frozenset[int] | None = None,
) -> tuple[str, ...]:
    """Why webhooks may not reach relay: one message per problem, with how to fix it; () if none.

    Only relay's own subscriptions are checked: those whose URL path ends in `url_path`. Those of
    another relay for the same account look the same, so each message has the URL.
    `mapped_job_ids` are the jobs whose runs count, None for every job.
    """
    ours = [one for one in subscriptions if one.leads_to(url_path)]
    if not ours:
        return (f"no webhook subscription leads to a URL that ends in {url_path}: {_MAKE_ONE}",)
    own = [problem for one in ours for problem in _own_problems(one)]
    return (*own, *_unlisted_jobs(ours, mapped_job_ids))


_MAKE_ONE = f"make one with the event {RUN_COMPLETED} (Account settings, Webhooks)"


def _own_problems(subscription: WebhookSubscription) -> Iterable[str]:
    if not subscription.is_active:
        reason = subscription.deactivate_reason
        why = f", and dbt Cloud says why: {reason}" if reason else ""
        yield (
            f"{subscription} is not active{why}; activate it again (Account settings, Webhooks),"
            " or delete it if another took its place"
        )
    if RUN_COMPLETED not in subscription.event_types:
        listed = ", ".join(subscription.event_types) or "no event"
        yield f"{subscription} lists {listed}; relay needs {RUN_COMPLETED}"


def _unlisted_jobs(
    ours: list[WebhookSubscription], mapped_job_ids: frozenset[int] | None
) -> Iterable[str]:
    if mapped_job_ids is None or not all(one.dbt_job_ids for one in ours):
        return
    listed = frozenset[int]().union(*(one.dbt_job_ids for one in ours))
    if unlisted := mapped_job_ids - listed:
        yield (
            f"no webhook subscription to relay lists {_jobs(unlisted)}, which the mapping waits"
            f" for; they list {_jobs(listed)}"
        )


def _jobs(dbt_job_ids: frozenset[int]) -> str:
    word = "job" if len(dbt_job_ids) == 1 else "jobs"
    return f"{word} {', '.join(map(str, sorted(dbt_job_ids)))}"
