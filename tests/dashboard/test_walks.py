"""Every page and every route: for a viewer, and with hostile text in every field of a vendor's."""

import uuid

import pytest
from dashboard_client import SAME_SITE
from sandbox_runs import NIGHT, night

from relay.dashboard.pages import PAGES
from relay.store.holds import HoldScope

HOSTILE = "<script>alert('\"')</script>\u202ejavascript:x" + "x" * 10_000
FIELDS = {
    "dbt_runs": (
        "job_name",
        "environment_name",
        "git_sha",
        "cause",
        "problem",
        "status",
        "event_id",
    ),
    "deliveries": ("event_id",),
    "decisions": ("models",),
    "triggers": ("because",),
    "sync_runs": ("status", "problem", "error_code"),
    "holds": ("why", "held_by"),
    "mutes": ("why", "muted_by"),
    "model_states": ("node", "job_name", "result"),
    "observations": ("detail",),
    "actions": ("who", "subject"),
    "requests": ("who",),
}


@pytest.fixture(name="lived")
def _lived(relay, dashboard, clock):
    """A service with something on every page: a good night and a bad one, a hold, a mute."""
    relay.deliver(night())
    relay.work()
    relay.finish_sync_runs()
    relay.work_for(16)
    relay.deliver(night(1, "build_model_error"))
    relay.work()
    store, now = relay.services.store, clock()
    store.holds.hold(HoldScope("default", 5124), until=None, why="why", by="Ada", now=now)
    store.mutes.mute(("default", 5125), until=now.replace(year=2030), why="why", by="Ada", now=now)
    dashboard.post("/act/plan", **dashboard.get(f"/act/plan?run={NIGHT}").fields)
    dashboard.post("/act/trigger", **dashboard.get("/act/trigger?sync=5123").fields)
    return relay


@pytest.fixture(name="addresses")
def _addresses(lived):
    """The address of every page, with ids that there are."""

    def addresses():
        one = lambda query: lived.sql(query)[0][0]  # noqa: E731
        ids = {
            "dbt_run_id": NIGHT + 1,
            "delivery_id": one(
                "SELECT delivery_id FROM relay.deliveries ORDER BY received_at DESC"
            ),
            "workspace": "default",
            "sync_id": 5123,
            "attempt_id": one("SELECT max(attempt_id) FROM relay.sync_runs"),
            "action_id": one("SELECT max(action_id) FROM relay.actions"),
            "request_id": one("SELECT request_id FROM relay.requests"),
        }
        for page in PAGES:
            rule = page.rule
            for name, value in ids.items():
                for kind in ("int", "uuid", "path"):
                    rule = rule.replace(f"<{kind}:{name}>", str(value))
            yield rule

    return addresses


def test_hostile_text_is_shown_on_every_page_and_obeyed_on_none(lived, addresses, dashboard):
    found = list(addresses())
    assert not any("<" in address for address in found)
    for table, columns in FIELDS.items():
        for column in columns:
            is_list = column in ("models", "because")
            value = [f"model.x.{HOSTILE}"] if is_list else HOSTILE[:400]
            if column in ("node", "event_id"):
                value = f"{value}{uuid.uuid4()}"
            one_row = f"WHERE ctid = (SELECT min(ctid) FROM relay.{table})"
            where = one_row if column in ("node", "event_id") else ""
            lived.sql(f"UPDATE relay.{table} SET {column} = %s {where}", value)
    for address in found:
        page = dashboard.get(address)
        assert "<script>alert" not in page.html, address
        assert "\u202e" not in page.html, address
        assert 'href="javascript' not in page.html, address
        dashboard.json("/.json" if address == "/" else f"{address}.json")


def test_a_viewer_sees_every_page_and_is_offered_no_form(addresses, viewer):
    for address in addresses():
        page = viewer.get(address)
        assert {form for form in page.forms if form} <= {"/logout", "/find"}, address
        assert "/act/" not in page.html, address


def test_a_viewer_can_post_to_nothing(viewer, lived):
    app = viewer.client.application
    posts = [rule for rule in app.url_map.iter_rules() if "POST" in rule.methods]
    acts = [rule.rule for rule in posts if rule.rule.startswith("/act/")]
    assert len(acts) >= 9
    assert {rule.rule for rule in posts} - set(acts) == {"/login", "/logout"}
    for path in acts:
        assert viewer.client.post(path, headers=SAME_SITE).status_code == 403, path
        assert viewer.client.get(path, headers=SAME_SITE).status_code == 403, path
