"""The links of a message: to dbt Cloud's page of each dbt run, and to relay's own pages."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote

from relay.messages.alerts import Alert, CausingRun
from relay.messages.message import Link
from relay.workspaces import SyncKey, display_id

MOST_LINKED = 5  # dbt runs, and syncs; a channel shows fewer in all


@dataclass(frozen=True, slots=True, kw_only=True)
class Sites:
    """How the links begin; `relay_url` is None if people reach no dashboard."""

    dbt_cloud_url: str
    relay_url: str | None


def links(alerts: Iterable[Alert], sites: Sites) -> Iterator[Link]:
    """The links: dbt runs first, then syncs."""
    alerts = tuple(alerts)
    runs = dict.fromkeys(alert.run for alert in alerts if alert.run is not None)
    for run in list(runs)[:MOST_LINKED]:
        yield from _of_run(run, sites)
    syncs = dict.fromkeys(alert.sync for alert in alerts if alert.sync is not None)
    if sites.relay_url is not None:
        for sync in list(syncs)[:MOST_LINKED]:
            yield _of_sync(sync, sites.relay_url)


def _of_run(run: CausingRun, sites: Sites) -> Iterator[Link]:
    label = f"dbt run {run.dbt_run_id}"
    if run.project_id:
        path = f"deploy/{run.dbt_account_id}/projects/{run.project_id}/runs/{run.dbt_run_id}"
        yield Link(label=label, url=f"{sites.dbt_cloud_url}/{path}")
    if sites.relay_url is not None:
        yield Link(label=f"{label} in relay", url=f"{sites.relay_url}/runs/{run.dbt_run_id}")


def _of_sync(sync: SyncKey, relay_url: str) -> Link:
    workspace, sync_id = sync
    url = f"{relay_url}/syncs/{quote(workspace)}/{sync_id}"
    return Link(label=f"sync {display_id(*sync)} in relay", url=url)
