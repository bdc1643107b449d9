"""The page of one sync: its state and entry, lags, decisions and sync runs, and what is open."""

from datetime import timedelta

import pytest
from mappings import mapping_text, sync_entry
from sandbox_runs import NIGHT
from sync_stories import HOSTILE, MODEL, end_sync_runs, map_syncs, night_of

from relay.store.holds import HoldScope
from relay.worker import tasks

PAGE = "/syncs/default/5123"
ACTIONS = ("Trigger…", "Trigger full sync…", "Hold…", "Release…", "Mute…", "Unmute…")


def test_it_shows_what_happened_the_newest_first(one, dashboard):
    night_of(one)
    end_sync_runs(one)
    night_of(one, 1)
    data = dashboard.json(f"{PAGE}.json")
    assert [row["dbt_run_id"] for row in data["decisions"]["rows"]] == [NIGHT + 1, NIGHT]
    assert [row["state"] for row in data["sync_runs"]] == ["running", "completed"]
    assert len(data["lags"]) == 1
    page = dashboard.get(PAGE)
    assert f"because running , since dbt run {NIGHT + 1}" in page.text
    assert page.links["Sync in Census ↗"].endswith("/syncs/5123/overview")
    assert page.links["All sync runs of this sync"] == "/sync-runs?sync=default/5123"


def test_the_entry_is_shown_as_loaded_with_its_line_and_the_defaults(one, dashboard):
    entry = sync_entry(5123, "customers", "tag:crm", at_most_every="30m", jobs=[278164])
    one.map(mapping_text(entry, defaults={"tests": "ignore"}))
    entry = dashboard.json(f"{PAGE}.json")["entry"]
    assert [each["text"] for each in entry["depends_on"]] == ["customers", "tag:crm"]
    assert "syncs.yml:" in entry["place"]
    assert "depends_on[1]" in entry["depends_on"][1]["place"]
    assert (entry["tests"], entry["at_most_every"], entry["jobs"]) == ("ignore", 1800, [278164])
    assert (entry["require"], entry["consistency"], entry["enabled"]) == ("any", "block", True)
    page = dashboard.get(PAGE)
    assert "at_most_every 30 min jobs 278164" in page.text
    assert "environments every environment" in page.text


def test_the_lags_are_drawn_with_the_limit_and_stand_in_a_table(one, dashboard):
    map_syncs(one, 5123, fresh_within="2s")
    night_of(one)
    end_sync_runs(one)
    page = dashboard.get(PAGE)
    assert page.html.count("<circle") == 1
    assert 'class="limit"' in page.html
    assert "1 completed sync runs of the last 30 days, with a lag of" in page.text
    (lag,) = dashboard.json(f"{PAGE}.json")["lags"]
    assert lag["lag"] >= 0


def test_its_models_are_shown_with_the_last_run_of_each_job(relay, dashboard):
    map_syncs(relay, 5123)
    night_of(relay)
    tasks.check_drift(relay.services)
    (model,) = dashboard.json(f"{PAGE}.json")["models"]
    assert (model["node"], model["built_by"][0]["dbt_run_id"]) == (MODEL, NIGHT)
    assert "customers" in [row[0].partition(" ")[0] for row in dashboard.get(PAGE).rows]


def test_old_lags_are_left_out(one, dashboard):
    night_of(one)
    end_sync_runs(one)
    one.sql("UPDATE relay.sync_runs SET completed_at = now() - interval '40 days'")
    assert dashboard.json(f"{PAGE}.json")["lags"] == []
    assert "No sync run has brought a rebuild" in dashboard.get(PAGE).text


def test_holds_mutes_alerts_and_differences_are_open_things(one, dashboard, clock):
    until = clock() + timedelta(hours=4)
    for scope in (HoldScope("default", 5123), HoldScope(None, None)):
        one.services.store.holds.hold(scope, until=until, why="a fair", by="Ada", now=clock())
    one.services.store.mutes.mute(("default", 5123), until=until, why=None, by="Bo", now=clock())
    one.sql(
        "INSERT INTO relay.drift (workspace, sync_id, kind, subject, severity, detail, found_at)"
        " VALUES ('default', 5123, 'also_scheduled', '', 'warning', 'runs twice', now())"
    )
    one.sql(
        "INSERT INTO relay.alerts (event, workspace, sync_id, detail, opened_at)"
        " VALUES ('failing', 'default', 5123, '{}', now()), ('stale', 'default', 5124, '{}', now())"
    )
    data = dashboard.json(f"{PAGE}.json")
    assert len(data["holds"]) == 2
    assert [alert["event"] for alert in data["alerts"]] == ["failing"]
    page = dashboard.get(PAGE).text
    for text in (
        "held by Ada",
        "(all syncs): a fair",
        "muted by Bo",
        "runs twice",
        "failing alert",
    ):
        assert text in page


def test_a_hold_of_another_sync_or_workspace_is_not_shown(one, dashboard, clock):
    for scope in (HoldScope("default", 5124), HoldScope("emea", None)):
        one.services.store.holds.hold(scope, until=None, why=None, by="Ada", now=clock())
    assert dashboard.json(f"{PAGE}.json")["holds"] == []


def test_the_buttons_are_those_that_make_sense(one, dashboard, viewer, clock):
    def buttons(who):
        return [each for each in ACTIONS if each in who.get(PAGE).links]

    assert buttons(dashboard) == ["Trigger…", "Trigger full sync…", "Hold…", "Mute…"]
    assert buttons(viewer) == []
    links = dashboard.get(PAGE).links
    assert links["Trigger full sync…"] == "/act/trigger?sync=default/5123&full=yes"
    until = clock() + timedelta(hours=4)
    scope = HoldScope("default", 5123)
    one.services.store.holds.hold(scope, until=until, why=None, by="Ada", now=clock())
    one.services.store.mutes.mute(("default", 5123), until=until, why=None, by="Bo", now=clock())
    assert buttons(dashboard) == ["Trigger…", "Trigger full sync…", "Release…", "Unmute…"]


def test_one_that_is_not_mapped_any_more_keeps_its_history(one, dashboard):
    night_of(one)
    end_sync_runs(one)
    map_syncs(one, 5124)
    page = dashboard.get(PAGE)
    assert "not in the mapping file any more" in page.text
    assert [each for each in ACTIONS if each in page.links] == []
    data = dashboard.json(f"{PAGE}.json")
    assert (data["entry"], len(data["sync_runs"])) == (None, 1)


def test_a_mapped_one_without_history_says_so(one, dashboard):
    page = dashboard.get(PAGE).text
    assert "relay has seen no rebuild of its models yet" in page
    assert "relay has started no sync run of this sync yet." in page
    assert "No dbt run has concerned this sync yet." in page


@pytest.mark.parametrize("path", ["/syncs/default/5999", "/syncs/emea/5123", "/syncs/default/x"])
def test_an_unknown_one_is_not_found(one, dashboard, path):
    dashboard.get(path, expect=404)


def test_a_workspace_may_have_any_name(one, dashboard):
    name = "a/b ü?"
    extra = {name: {"url": one.sandbox.census.url, "api_key_env": "CENSUS_API_KEY_AB"}}
    one.map(mapping_text(sync_entry(7, "customers", workspace=name), workspaces=extra))
    (link,) = [url for text, url in dashboard.get("/syncs").links.items() if text == f"{name}/7"]
    assert "Mapping entry" in dashboard.get(link).text


def test_older_decisions_are_a_page_away(one, dashboard):
    night_of(one)
    one.sql(
        "INSERT INTO relay.dbt_runs (dbt_account_id, dbt_run_id)"
        " SELECT dbt_account_id, n FROM relay.dbt_runs, generate_series(1, 30) AS n"
    )
    one.sql(
        "INSERT INTO relay.decisions SELECT workspace, sync_id, dbt_account_id, n, reason, models,"
        " through, conditions, decided_at - interval '1 hour' * n, rebuilt_at"
        " FROM relay.decisions, generate_series(1, 30) AS n"
    )
    first = dashboard.json(f"{PAGE}.json")["decisions"]
    second = dashboard.json(f"{PAGE}.json?{first['older']}")["decisions"]
    runs = [row["dbt_run_id"] for row in (*first["rows"], *second["rows"])]
    assert runs == [NIGHT, *range(1, 31)]


def test_a_hostile_text_is_shown_and_not_obeyed(one, dashboard):
    map_syncs(one, 5123, name=HOSTILE[:250], owner=HOSTILE[:250])
    night_of(one)
    one.sql("UPDATE relay.decisions SET models = ARRAY[%s]", HOSTILE)
    one.sql("UPDATE relay.dbt_runs SET job_name = %s", HOSTILE)
    one.sql(
        "INSERT INTO relay.drift (workspace, sync_id, kind, subject, severity, detail, found_at)"
        " VALUES ('default', 5123, %s, '', 'warning', %s, now())",
        *(HOSTILE, HOSTILE),
    )
    page = dashboard.get(PAGE)
    assert "<script>alert" not in page.html
    assert "\u202e" not in page.html
