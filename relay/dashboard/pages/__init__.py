"""The pages: one module each, with a function `view` that returns what the page shows.

A page is read-only, and reads the store in at most five queries.
"""

from relay.dashboard.pages import (
    action,
    actions,
    dbt_run,
    dbt_runs,
    decisions,
    deliveries,
    delivery,
    mapping,
    overview,
    queue,
    reasons,
    request,
    settings,
    sync,
    sync_run,
    sync_runs,
    syncs,
)
from relay.dashboard.visit import Page

PAGES = (
    Page(rule="/", name="overview", view=overview.view),
    Page(rule="/runs", name="dbt_runs", view=dbt_runs.view),
    Page(rule="/runs/<int:dbt_run_id>", name="dbt_run", view=dbt_run.view),
    Page(rule="/deliveries", name="deliveries", view=deliveries.view),
    Page(rule="/deliveries/<uuid:delivery_id>", name="delivery", view=delivery.view),
    Page(rule="/syncs", name="syncs", view=syncs.view),
    Page(rule="/syncs/decisions", name="decisions", view=decisions.view),
    Page(rule="/syncs/<path:workspace>/<int:sync_id>", name="sync", view=sync.view),
    Page(rule="/sync-runs", name="sync_runs", view=sync_runs.view),
    Page(rule="/sync-runs/<int:attempt_id>", name="sync_run", view=sync_run.view),
    Page(rule="/mapping", name="mapping", view=mapping.view),
    Page(rule="/queue", name="queue", view=queue.view),
    Page(rule="/actions", name="actions", view=actions.view),
    Page(rule="/actions/<int:action_id>", name="action", view=action.view),
    Page(rule="/requests/<uuid:request_id>", name="request", view=request.view),
    Page(rule="/settings", name="settings", view=settings.view),
    Page(rule="/reasons", name="reasons", view=reasons.view),
)

# What the menu shows: the page's name and its title.
NAVIGATION = (
    ("overview", "Overview"),
    ("dbt_runs", "dbt runs"),
    ("syncs", "Syncs"),
    ("sync_runs", "Sync runs"),
    ("deliveries", "Deliveries"),
    ("mapping", "Mapping"),
    ("queue", "Queue"),
    ("actions", "Actions"),
    ("settings", "Settings"),
)
