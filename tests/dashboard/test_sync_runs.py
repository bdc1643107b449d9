"""Sync runs: the list with its filters, and one of them with all that is known of it."""

import pytest
from sandbox_runs import NIGHT
from sync_stories import HOSTILE, MODEL, end_sync_runs, map_syncs, night_of


@pytest.fixture(name="many")
def _many(sql):
    """Record ended sync runs of sync 5123: `many(51)`."""

    def many(count, outcome="completed", begun="now()", sync_id=5123):
        sql(
            "INSERT INTO relay.sync_runs (workspace, sync_id, full_sync, begun_at, sync_run_id,"
            " triggered_at, ended_at, outcome)"
            f" SELECT 'default', {sync_id}, false, {begun}, n, {begun}, {begun}, '{outcome}'"
            f" FROM generate_series(1, {count}) AS n"
        )

    return many


def test_a_sync_run_is_listed_with_what_it_brought_and_why(one, dashboard):
    night_of(one)
    end_sync_runs(one, records_processed=100, records_failed=2, records_invalid=1)
    (row,) = dashboard.json("/sync-runs.json")["sync_runs"]["rows"]
    assert (row["outcome"], row["status"]) == ("completed_with_rejects", "completed")
    assert (row["models"], row["dbt_run_ids"]) == ([MODEL], [NIGHT])
    assert (row["records_processed"], row["records_failed"], row["records_invalid"]) == (100, 2, 1)
    shown = dashboard.get("/sync-runs").rows[1]
    assert shown[6:11] == ["completed_with_rejects in Census: completed", "100", "98", "2", "1"]


def test_its_page_leads_to_the_dbt_run_the_sync_and_census(one, dashboard):
    night_of(one)
    (run,) = one.sandbox.census.sync_runs
    attempt_id = dashboard.json("/sync-runs.json")["sync_runs"]["rows"][0]["attempt_id"]
    page = dashboard.get(f"/sync-runs/{attempt_id}")
    assert f"Sync run {run.sync_run_id}" in page.text
    assert page.links[str(NIGHT)] == f"/runs/{NIGHT}"
    assert page.links["5123"] == "/syncs/default/5123"
    assert page.links["in Census ↗"].endswith("/syncs/5123/overview")


def test_only_a_running_one_can_be_canceled_and_only_by_who_may_act(one, dashboard, viewer):
    night_of(one)
    page = "/sync-runs/1"
    assert dashboard.get(page).links["Cancel this sync run…"] == "/act/cancel?attempt=1"
    assert "Cancel" not in viewer.get(page).text
    end_sync_runs(one)
    assert "Cancel" not in dashboard.get(page).text


def test_one_that_failed_says_why_in_one_line(one, dashboard):
    night_of(one)
    end_sync_runs(one, status="failed", error_code="bad_source", error_message="no such\ntable")
    page = dashboard.get("/sync-runs/1")
    assert "bad_source" in page.text
    assert "no such table" in page.text


def test_one_for_several_dbt_runs_names_each(one, dashboard):
    night_of(one)
    night_of(one, 1)
    night_of(one, 2)
    end_sync_runs(one)
    newest = dashboard.json("/sync-runs.json")["sync_runs"]["rows"][0]
    assert newest["dbt_run_ids"] == [NIGHT + 2, NIGHT + 1]
    triggers = dashboard.json(f"/sync-runs/{newest['attempt_id']}.json")["triggers"]
    assert [trigger["dbt_run_id"] for trigger in triggers] == [NIGHT + 1, NIGHT + 2]


def test_one_that_a_person_asked_for_says_so(one, dashboard):
    one.trigger(5123, "all")
    one.work()
    assert "asked for by a person" in dashboard.get("/sync-runs").text
    assert "asked for by a person" in dashboard.get("/sync-runs/1").text


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", [3, 2, 1]),
        ("outcome=running", []),
        ("outcome=ended badly", [2, 1]),
        ("outcome=failed", [1]),
        ("outcome=given up", [2]),
        ("outcome=with lag", []),
        ("sync=5124", [3]),
        ("sync=default/5124", [3]),
        ("sync=emea/5124", []),
        ("sync=5123&outcome=failed", [1]),
        ("since=1h", [3, 2]),
        ("since=&outcome=&sync=", [3, 2, 1]),
    ],
)
def test_filters_are_in_the_url(dashboard, many, clock, query, shown):
    clock.tick(-24 * 3600)
    many(1, "failed", "now() - interval '2 hours'")
    many(1, "abandoned")
    many(1, sync_id=5124)
    rows = dashboard.json(f"/sync-runs.json?{query}")["sync_runs"]["rows"]
    assert [row["attempt_id"] for row in rows] == shown


def test_an_abandoned_one_is_not_given_up_any_more_when_a_later_one_completed(dashboard, many):
    many(1, "abandoned")
    many(1)
    assert dashboard.json("/sync-runs.json?outcome=given+up")["sync_runs"]["rows"] == []


def test_a_refused_one_is_given_up_until_a_replay_triggers_anew(one, dashboard):
    one.sandbox.census.change_sync(5123, paused=True)
    night_of(one)
    given_up = dashboard.json("/sync-runs.json?outcome=given+up")["sync_runs"]["rows"]
    assert [row["outcome"] for row in given_up] == ["refused"]
    one.sql("UPDATE relay.triggers SET superseded = true")
    assert dashboard.json("/sync-runs.json?outcome=given+up")["sync_runs"]["rows"] == []


@pytest.mark.parametrize("query", ["outcome=eaten", "sync=x", "sync=emea/", "since=soon"])
def test_a_filter_that_cannot_be_read_is_refused(dashboard, query):
    shown = dashboard.get(f"/sync-runs?{query}", expect=400)
    assert f"{query.partition('=')[0]}: expected" in shown.text


def test_older_ones_are_a_page_away(dashboard, many):
    many(60)
    first = dashboard.get("/sync-runs")
    second = dashboard.get(f"/sync-runs{first.links['Older sync runs']}")
    ids = [row[0] for row in (*first.rows[1:], *second.rows[1:])]
    assert ids == [str(number) for number in range(60, 0, -1)]
    assert "Older sync runs" not in second.links


def test_nothing_is_older_than_the_time_that_is_asked_for(dashboard, many, clock):
    clock.tick(-24 * 3600)
    many(5001, begun="now() - interval '2 days'")
    assert dashboard.json("/sync-runs.json?since=24h")["sync_runs"] == {"rows": [], "older": None}


def test_an_unknown_one_is_not_found(dashboard):
    dashboard.get("/sync-runs/7", expect=404)
    dashboard.get(f"/sync-runs/{2**63}", expect=404)


def test_a_hostile_text_is_shown_and_not_obeyed(one, dashboard):
    map_syncs(one, 5123, name=HOSTILE[:200])
    night_of(one)
    one.sql("UPDATE relay.sync_runs SET problem = %s, status = %s", HOSTILE, HOSTILE)
    one.sql("UPDATE relay.triggers SET because = ARRAY[%s]", HOSTILE)
    for path in ("/sync-runs", "/sync-runs/1"):
        page = dashboard.get(path)
        assert "<script>alert" not in page.html
        assert "\u202e" not in page.html
        assert len(page.html) < 20_000


def test_a_page_that_has_found_nothing_says_so(dashboard):
    assert "Nothing matches." in dashboard.get("/sync-runs").text
