"""The list of syncs: how far each is behind and why, sorted, filtered, and in parts."""

from datetime import timedelta

import pytest
from mappings import mapping_text, sync_entry
from sandbox_runs import NIGHT
from sync_stories import HOSTILE, end_sync_runs, map_syncs, night_of

from relay.store.holds import HoldScope


def syncs_of(dashboard, query=""):
    return dashboard.json(f"/syncs.json?{query}")["syncs"]


def ids_of(dashboard, query=""):
    return [line["sync"]["freshness"]["sync_id"] for line in syncs_of(dashboard, query)]


def test_a_fresh_sync_has_its_lag_and_its_records(one, dashboard):
    night_of(one)
    end_sync_runs(one, records_processed=10, records_failed=1)
    (line,) = syncs_of(dashboard)
    assert line["sync"]["freshness"]["state"] == "fresh"
    assert line["sync"]["freshness"]["lag"] is not None
    assert [run["outcome"] for run in line["runs"]] == ["completed_with_rejects"]
    row = dashboard.get("/syncs").rows[1]
    assert row[:3] == ["5123", "fresh", "not behind"]
    assert row[7:10] == ["9", "1", "0"]
    assert "Last 1 sync runs: completed_with_rejects 1; lag" in row[10]


def test_one_that_runs_is_behind_because_it_runs(one, dashboard):
    night_of(one)
    (line,) = syncs_of(dashboard)
    assert (line["sync"]["freshness"]["because"], line["runs"]) == ("running", [])
    assert f"running dbt run {NIGHT}" in dashboard.get("/syncs").rows[1][2]


def test_one_that_was_withheld_says_the_reason_with_a_link(one, dashboard):
    map_syncs(one, 5124, model="orders")
    night_of(one, recording="build_test_fail")
    page = dashboard.get("/syncs")
    assert "test_failed" in page.rows[1][2]
    assert page.links["test_failed"] == "/reasons#test_failed"


def test_every_mapped_sync_is_listed_also_without_a_run(one, dashboard):
    map_syncs(one, 5123, 5124)
    assert sorted(ids_of(dashboard)) == [5123, 5124]
    assert dashboard.get("/syncs").rows[1][1] == "unknown"


def test_one_that_is_not_mapped_any_more_is_marked(one, dashboard):
    night_of(one)
    map_syncs(one, 5124)
    rows = {row[0]: row[1] for row in dashboard.get("/syncs").rows[1:]}
    assert rows == {"5123": "not mapped", "5124": "unknown"}
    assert ids_of(dashboard, "state=not+mapped") == [5123]


@pytest.fixture(name="several")
def _several(relay):
    """5123 is stale, 5124 failed twice, 5125 is fresh, emea/5126 is held and never ran."""
    emea = {"emea": {"url": relay.sandbox.census.url, "api_key_env": "CENSUS_API_KEY_EMEA"}}
    entries = (
        sync_entry(5123, "customers", name="customers to Salesforce", owner="Sales Ops"),
        sync_entry(5124, "customers"),
        sync_entry(5125, "customers"),
        sync_entry(5126, "payments", workspace="emea"),
    )
    relay.map(mapping_text(*entries, workspaces=emea))
    states = (
        (5123, "now()", "test_failed", 1000.0, 0, "completed"),
        (5124, "now()", "failing", None, 2, "failed"),
        (5125, "NULL", None, 60.0, 0, "completed"),
    )
    for sync_id, behind, because, lag, failures, outcome in states:
        relay.sql(
            "INSERT INTO relay.sync_states (workspace, sync_id, last_rebuilt_at, behind_since,"
            f" because, lag, failures, last_outcome) VALUES ('default', %s, now(), {behind},"
            " %s, %s, %s, %s)",
            *(sync_id, because, lag, failures, outcome),
        )
    scope = HoldScope("emea", None)
    relay.services.store.holds.hold(scope, until=None, why=None, by="Ada", now=relay.clock())
    return relay


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("state=behind", [5123, 5124]),
        ("state=stale", []),
        ("state=fresh", [5125]),
        ("state=unknown", [5126]),
        ("state=failing", [5124]),
        ("state=held", [5126]),
        ("workspace=emea", [5126]),
        ("owner=sales ops", [5123]),
        ("q=SALESFORCE", [5123]),
        ("q=512", [5123, 5124, 5125, 5126]),
        ("q=emea/", [5126]),
        ("sort=lag", [5123, 5125, 5124, 5126]),
        ("sort=failures", [5124, 5123, 5125, 5126]),
        ("sort=id", [5123, 5124, 5125, 5126]),
    ],
)
def test_filters_and_the_order_are_in_the_url(several, dashboard, query, shown):
    assert ids_of(dashboard, query) == shown


def test_one_whose_models_failed_is_withheld_though_it_is_not_behind(one, dashboard):
    night_of(one, recording="build_model_error")
    assert ids_of(dashboard, "state=withheld") == [5123]
    assert f"withheld model_failed for dbt run {NIGHT}" in dashboard.get("/syncs").rows[1][2]
    end_sync_runs(one)
    night_of(one, 1)
    assert ids_of(dashboard, "state=withheld") == []


def test_longer_behind_than_fresh_within_is_stale(one, dashboard, clock):
    map_syncs(one, 5124, model="orders", fresh_within="1h")
    night_of(one, recording="build_test_fail")
    clock.tick(2 * 3600)
    assert ids_of(dashboard, "state=stale") == [5124]


def test_held_and_muted_syncs_say_until_when(one, dashboard, clock):
    holds, mutes = one.services.store.holds, one.services.store.mutes
    until = clock() + timedelta(hours=4)
    holds.hold(HoldScope(None, None), until=until, why=None, by="Ada", now=clock())
    mutes.mute(("default", 5123), until=until, why=None, by="Ada", now=clock())
    state = dashboard.get("/syncs").rows[1][1]
    assert "held by Ada until" in state
    assert "muted until" in state


def test_a_hundred_are_shown_at_a_time(one, dashboard):
    map_syncs(one, *range(1, 151))
    first = dashboard.get("/syncs?sort=id")
    second = dashboard.get(f"/syncs{first.links['Next syncs']}")
    assert [row[0] for row in first.rows[1:]] == list(map(str, range(1, 101)))
    assert [row[0] for row in second.rows[1:]] == list(map(str, range(101, 151)))
    assert "Syncs 101 to 150 of 150" in second.text
    assert second.links["Previous syncs"] == "?sort=id&page=1"
    assert "There are only 150 syncs" in dashboard.get("/syncs?page=3").text


@pytest.mark.parametrize("query", ["state=eaten", "sort=eaten", "page=x", "page=0", "page=100001"])
def test_a_filter_that_cannot_be_read_is_refused(dashboard, query):
    shown = dashboard.get(f"/syncs?{query}", expect=400)
    assert f"{query.partition('=')[0]}: expected" in shown.text


def test_a_hostile_text_is_shown_and_not_obeyed(one, dashboard):
    map_syncs(one, 5123, name=HOSTILE[:250], owner=HOSTILE[:250])
    page = dashboard.get("/syncs")
    assert "<script>alert" not in page.html
    assert "\u202e" not in page.html


def test_a_filter_comes_back_as_text(dashboard):
    page = dashboard.get('/syncs?q="><script>')
    assert page.fields["q"] == '"><script>'
    assert "<script>" not in page.html.replace("<script defer", "")
