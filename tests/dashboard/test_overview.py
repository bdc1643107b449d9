"""The overview: is the service well, what needs somebody, and what happened lately."""

from datetime import timedelta

import pytest
from dashboard_client import Dashboard
from flask import Flask
from mappings import mapping_text, sync_entry
from sandbox_runs import NIGHT, night
from sync_stories import HOSTILE, end_sync_runs, map_syncs, night_of

from relay.dashboard.application import install
from relay.store.holds import HoldScope
from relay.store.observations import MAPPING, WEBHOOK_SILENT, WEBHOOK_SUBSCRIPTION


def needs_of(dashboard):
    return {each["kind"]: each for each in dashboard.json("/.json")["needs"]}


def health_of(dashboard):
    return {each["name"]: each for each in dashboard.json("/.json")["health"]}


def rows_behind(dashboard, link):
    """How many rows the list behind a link has."""
    path, _, query = link.partition("?")
    answer = dashboard.json(f"{path}.json?{query}")
    (listed,) = [each for each in answer.values() if isinstance(each, dict) and "rows" in each]
    return len(listed["rows"])


class TestHealth:
    def test_an_empty_service_says_what_is_missing(self, dashboard):
        health = health_of(dashboard)
        assert health["database"]["state"] == "ok"
        assert (health["worker"]["state"], health["worker"]["detail"]) == (
            "problem",
            "there is none",
        )
        assert health["webhook"]["detail"] == "no delivery yet"

    def test_live_workers_and_the_last_delivery_are_told(self, one, dashboard):
        one.sql("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now())")
        night_of(one)
        health = health_of(dashboard)
        assert (health["worker"]["state"], health["worker"]["detail"]) == ("ok", "1 alive")
        assert health["webhook"]["at"] is not None
        assert health["mapping"]["detail"].startswith("1 syncs, ")

    def test_a_silent_worker_is_a_problem(self, one, dashboard):
        one.sql(
            "INSERT INTO procrastinate_workers (last_heartbeat)"
            " VALUES (now() - interval '2 minutes')"
        )
        assert health_of(dashboard)["worker"]["detail"] == "silent for 120 s"

    @pytest.mark.parametrize(
        ("name", "value", "detail", "item", "says"),
        [
            (MAPPING, 0, "syncs.yml:3: no", "mapping", "the changed file is refused: syncs.yml:3"),
            (WEBHOOK_SUBSCRIPTION, 0, "it is inactive", "webhook", "it is inactive"),
            (WEBHOOK_SILENT, 1, "", "webhook", "no delivery arrives"),
        ],
    )
    def test_what_a_worker_saw_is_told(self, one, dashboard, name, value, detail, item, says):
        one.services.store.observations.record(name, "", value, detail, one.clock())
        health = health_of(dashboard)[item]
        assert health["state"] == "problem"
        assert says in health["detail"]

    def test_the_end_of_censuss_v1_is_told(self, one, dashboard, dashboard_settings, app_with):
        assert "Census API" in health_of(dashboard)  # the service of the tests uses it
        with_v2 = Dashboard(app_with(census_api_version="v2"))
        assert "Census API" not in health_of(with_v2)

    def test_a_dry_run_is_told(self, one, app_with):
        assert "dry run" in health_of(Dashboard(app_with(dry_run=True)))


class TestNeedsYou:
    def test_nothing_needs_you_when_all_is_well(self, one, dashboard):
        night_of(one)
        end_sync_runs(one)
        assert needs_of(dashboard) == {}
        page = dashboard.get("/")
        assert "Nothing needs you." in page.text
        assert page.html.count("aria-live") == 1

    def test_a_dbt_run_that_was_given_up_can_be_replayed(self, one, dashboard, viewer):
        one.deliver(night(recording="build"))
        one.sql("UPDATE relay.dbt_runs SET given_up_at = now(), problem = 'no artifact'")
        (need,) = needs_of(dashboard)["given up dbt runs"]["items"]
        assert (need["dbt_run_id"], need["detail"]) == (NIGHT, "no artifact")
        page = dashboard.get("/")
        assert page.links["Replay…"] == f"/act/replay?run={NIGHT}"
        assert rows_behind(dashboard, page.links["dbt runs given up: 1"]) == 1
        assert "/act/" not in viewer.get("/").html

    def test_a_refused_trigger_is_counted_as_its_list_has_it(self, one, dashboard):
        one.sandbox.census.change_sync(5123, paused=True)
        night_of(one)
        needs = needs_of(dashboard)["given up sync runs"]
        assert (needs["count"], needs["items"][0]["because"]) == (1, "refused")
        link = dashboard.get("/").links["Sync runs given up: 1"]
        assert rows_behind(dashboard, link) == 1

    def test_an_abandoned_sync_run_needs_nobody_after_a_later_one(self, one, dashboard):
        night_of(one)
        end_sync_runs(one)
        one.sql("UPDATE relay.sync_runs SET outcome = 'abandoned'")
        assert "given up sync runs" in needs_of(dashboard)
        night_of(one, 1)
        end_sync_runs(one)
        assert "given up sync runs" not in needs_of(dashboard)

    def test_each_kind_of_sync_is_a_state_of_the_list(self, one, dashboard, clock):
        entries = (sync_entry(5123, "customers"), sync_entry(5124, "orders", fresh_within="1h"))
        one.map(mapping_text(*entries))
        night_of(one, recording="build_test_fail")
        one.sql("UPDATE relay.sync_states SET failures = 2 WHERE sync_id = 5124")
        one.services.store.holds.hold(
            HoldScope(None, None), until=None, why="a fair", by="Ada", now=clock()
        )
        clock.tick(2 * 3600)
        needs, page = needs_of(dashboard), dashboard.get("/")
        assert set(needs) == {"stale", "failing", "withheld", "held"}
        for kind, found in needs.items():
            assert len(dashboard.json(f"/syncs.json?state={kind}")["syncs"]) == found["count"]
        assert needs["stale"]["items"][0]["because"] == "test_failed"
        assert needs["held"]["items"][0]["detail"] == "by Ada, until released: a fair"
        assert page.links["Release…"] == "/act/release?all=yes"

    def test_a_sync_that_is_not_mapped_needs_nobody(self, one, dashboard):
        night_of(one, recording="build_model_error")
        assert "withheld" in needs_of(dashboard)
        map_syncs(one, 5124)
        assert needs_of(dashboard) == {}

    def test_ten_of_each_kind_are_listed_and_all_counted(self, one, dashboard):
        map_syncs(one, *range(1, 31))
        one.sql(
            "INSERT INTO relay.sync_states (workspace, sync_id, failures, last_outcome)"
            " SELECT 'default', n, 2, 'failed' FROM generate_series(1, 30) AS n"
        )
        needs = needs_of(dashboard)["failing"]
        assert (needs["count"], len(needs["items"])) == (30, 10)

    def test_a_hostile_text_is_shown_and_not_obeyed(self, one, dashboard, clock):
        one.deliver(night(recording="build"))
        one.sql("UPDATE relay.dbt_runs SET given_up_at = now(), problem = %s", HOSTILE)
        one.sql("UPDATE relay.dbt_runs SET job_name = %s, environment_name = %s", HOSTILE, HOSTILE)
        one.services.store.observations.record(MAPPING, "", 0, HOSTILE, clock())
        one.services.store.holds.hold(
            HoldScope("x<script>alert", None), until=None, why=HOSTILE, by=HOSTILE, now=clock()
        )
        page = dashboard.get("/")
        assert "<script>alert" not in page.html
        assert "\u202e" not in page.html


class TestFigures:
    def test_each_number_leads_to_the_rows_that_it_counts(self, one, dashboard, clock):
        clock.tick(-24 * 3600)
        entries = (sync_entry(5123, "customers"), sync_entry(5124, "customers", enabled=False))
        one.map(mapping_text(*entries))
        night_of(one)
        end_sync_runs(one)
        night_of(one, 1)
        end_sync_runs(one, status="failed")
        figures = dashboard.json("/.json")["figures"]
        counted = {
            name: figures[name]["count"]
            for name in ("deliveries", "triggered", "withheld", "ended_badly", "with_lag")
        }
        assert counted == {
            "deliveries": 2,
            "triggered": 2,
            "withheld": 2,
            "ended_badly": 1,
            "with_lag": 1,
        }
        assert figures["dbt_runs"] == {"count": 2, "more": False}
        assert figures["lag_p50"] == figures["lag_p90"] is not None
        links = dashboard.get("/").links
        for words, count in (
            ("deliveries", 2),
            ("dbt runs examined", 2),
            ("triggered", 2),
            ("withheld", 2),
            ("sync runs ended badly", 1),
        ):
            assert rows_behind(dashboard, links[words]) == count

    def test_they_are_of_the_period_that_is_asked_for(self, one, dashboard, clock):
        clock.tick(-24 * 3600)
        night_of(one)
        one.sql("UPDATE relay.decisions SET decided_at = now() - interval '2 days'")
        assert dashboard.json("/.json")["figures"]["triggered"]["count"] == 0
        assert dashboard.json("/.json?since=7d")["figures"]["triggered"]["count"] == 1
        dashboard.get("/?since=2h", expect=400)

    def test_a_count_ends_somewhere(self, one, dashboard, clock):
        clock.tick(-24 * 3600)
        one.sql(
            "INSERT INTO relay.deliveries (delivery_id, received_at, body)"
            " SELECT gen_random_uuid(), now(), '' FROM generate_series(1, 10001)"
        )
        assert dashboard.json("/.json")["figures"]["deliveries"] == {"count": 5000, "more": True}
        assert "5,000+ deliveries" in dashboard.get("/").text


class TestNewestRuns:
    def test_each_sync_that_a_run_concerned_is_a_square_with_words(self, one, dashboard):
        entries = (sync_entry(5123, "customers"), sync_entry(5124, "customers", enabled=False))
        one.map(mapping_text(*entries))
        night_of(one)
        (run,) = dashboard.json("/.json")["dbt_runs"]
        states = {square["sync_id"]: square["state"] for square in run["squares"]}
        assert states == {5123: "triggered", 5124: "withheld"}
        page = dashboard.get("/")
        assert "5123: triggered, rebuilt" in page.text
        assert "5124: withheld, sync_disabled" in page.text

    def test_a_failed_and_a_waiting_sync_are_told_apart(self, one, dashboard):
        night_of(one)
        night_of(one, 1)
        end_sync_runs(one, status="failed")
        one.sql("UPDATE relay.triggers SET attempt_id = NULL WHERE dbt_run_id = %s", NIGHT + 1)
        states = [run["squares"][0]["state"] for run in dashboard.json("/.json")["dbt_runs"]]
        assert states == ["waiting", "failed"]

    def test_one_that_was_not_examined_does_not_look_like_one_without_syncs(self, one, dashboard):
        one.deliver(night())
        assert "it is not examined yet" in dashboard.get("/").text
        one.sql("UPDATE relay.dbt_runs SET given_up_at = now()")
        assert "it could not be examined" in dashboard.get("/").text
        one.map(mapping_text(sync_entry(5123, "unknown_model")))
        one.sql("UPDATE relay.dbt_runs SET given_up_at = NULL")
        one.work()
        assert "no sync was concerned" in dashboard.get("/").text

    def test_thirty_are_shown_and_the_others_counted(self, one, dashboard):
        map_syncs(one, *range(1, 41))
        night_of(one)
        (run,) = dashboard.json("/.json")["dbt_runs"]
        assert (run["syncs"], len(run["squares"])) == (40, 30)
        assert "and 10 more syncs" in dashboard.get("/").text


class TestHours:
    def test_they_are_drawn_and_stand_in_a_table(self, one, dashboard, clock):
        clock.tick(-24 * 3600)
        night_of(one)
        end_sync_runs(one, status="failed")
        one.sql("UPDATE relay.decisions SET decided_at = %s", clock() - timedelta(hours=3.5))
        hours = dashboard.json("/.json")["hours"]
        assert {(hour["ago"], hour["triggered"], hour["failed"]) for hour in hours} == {
            (3, 1, 0),
            (0, 0, 1),
        }
        page = dashboard.get("/")
        assert page.html.count("<rect") == 2
        table = [row for row in page.rows if row[0].endswith("UTC")]
        assert len(table) == 24
        assert [row[1:] for row in (table[0], table[3])] == [["0", "0", "1"], ["1", "0", "0"]]

    def test_a_quiet_day_says_so(self, dashboard):
        page = dashboard.get("/")
        assert "Nothing was triggered, withheld or failed" in page.text
        assert "No dbt run has been recorded yet." in page.text


def test_without_a_valid_mapping_the_page_says_so(one, database, dashboard_settings):
    app = Flask("relay", static_folder=None)
    install(app, database, dashboard_settings, lambda: None)
    dashboard = Dashboard(app)
    dashboard.log_in()
    assert health_of(dashboard)["mapping"]["state"] == "problem"
    assert "there is no valid mapping file" in dashboard.get("/").text
    assert "There is no valid mapping file" in dashboard.get("/syncs").text
    dashboard.get("/syncs/default/5123", expect=404)
