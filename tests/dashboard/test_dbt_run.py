"""The page of one dbt run: why each sync was triggered or withheld."""

import json
from datetime import timedelta

import pytest
from mappings import mapping_text, sync_entry
from sandbox_runs import NIGHT, build_run, night

from relay.decision.gates import GATES
from relay.sandbox import story
from relay.store.holds import HoldScope

HOSTILE = "<script>alert('\"')</script>\u202e" + "x" * 10_000
PAGE = f"/runs/{NIGHT}"


@pytest.fixture(name="decided")
def _decided(sql, clock):
    """Record a decided run, and what is given of it: `decided(syncs, reason="rebuilt", …)`."""

    def decided(syncs, reason="rebuilt", models=("model.shop.customers",), **run):
        columns = {
            "dbt_account_id": story.DBT_ACCOUNT_ID,
            "dbt_run_id": NIGHT,
            "planned_at": clock(),
            **run,
        }
        values = ", ".join(f"%({name})s" for name in columns)
        sql(
            f"INSERT INTO relay.dbt_runs ({', '.join(columns)}) VALUES ({values})"
            " ON CONFLICT DO NOTHING",
            columns,
        )
        for workspace, sync_id in syncs:
            sql(
                "INSERT INTO relay.decisions VALUES (%s, %s, %s, %s, %s, %s, '{}', %s, %s)",
                *(workspace, sync_id, story.DBT_ACCOUNT_ID, NIGHT, reason, list(models)),
                json.dumps([[reason, list(models), "seen"]]),
                clock(),
            )

    return decided


def decisions(page):
    """The rows of the decisions' table: sync, decision, reason, models, sync run, …"""
    return [row for row in page.rows if len(row) == 7 and row[0] != "Sync"]


def conditions(page):
    return [row for row in page.rows if len(row) == 4 and row[0] in {gate.reason for gate in GATES}]


class TestDecisions:
    def test_a_triggered_sync_is_shown_with_its_models_and_its_sync_run(self, one, dashboard):
        one.deliver(night())
        one.work()
        one.finish_sync_runs()
        one.work_for(60)
        (row,) = decisions(dashboard.get(PAGE))
        (attempt_id, sync_run_id) = one.sql("SELECT attempt_id, sync_run_id FROM relay.sync_runs")[
            0
        ]
        assert row[:6] == [
            "5123",
            "triggered",
            "rebuilt",
            "customers",
            str(sync_run_id),
            "completed",
        ]
        assert dashboard.get(PAGE).links[str(sync_run_id)] == f"/sync-runs/{attempt_id}"

    def test_a_withheld_one_says_why_with_a_link_to_what_that_means(self, one, dashboard):
        one.deliver(night(recording="build_model_error"))
        one.work()
        page = dashboard.get(PAGE)
        ((_, decision, reason, *_),) = decisions(page)
        assert (decision, reason) == ("withheld", "model_failed")
        assert page.links["model_failed"] == "/reasons#model_failed"

    def test_every_condition_is_there_with_what_was_seen(self, one, dashboard):
        one.deliver(night(recording="build_model_error"))
        one.work()
        shown = conditions(dashboard.get(PAGE))
        assert [row[0] for row in shown] == [gate.reason for gate in GATES]
        assert [row[0] for row in shown if row[1] == "holds"] == ["model_failed"]
        assert shown[1][1:3] == ["does not hold", "job 278164; every job counts"]

    def test_a_condition_that_was_not_judged_is_not_said_to_fail(self, dashboard, decided):
        decided([("default", 5123)], reason="test_failed")
        shown = {row[0]: row[1] for row in conditions(dashboard.get(PAGE))}
        assert shown["test_failed"] == "holds"
        assert shown["sync_disabled"] == "not judged"

    def test_the_line_for_a_terminal_names_the_workspace_if_it_must(self, dashboard, decided):
        decided([("default", 5123), ("EU; rm", 7)])
        page = dashboard.get(PAGE)
        assert f"relay explain --run {NIGHT} --sync 5123 Copy" in page.text
        assert f"relay explain --run {NIGHT} --sync 7 --workspace 'EU; rm' Copy" in page.text

    def test_a_view_says_through_what_it_was_rebuilt(self, relay, dashboard):
        relay.map(mapping_text(sync_entry(5124, "crm_customers")))
        relay.deliver(night(recording="run_tables_under_view"))
        relay.work()
        ((*_, models, _run, _outcome, _lag),) = decisions(dashboard.get(PAGE))
        assert models == "crm_customers through customers"

    def test_a_cool_down_says_until_when(self, relay, dashboard, clock):
        relay.map(mapping_text(sync_entry(5123, "customers", at_most_every="30m")))
        relay.deliver(night())
        relay.work()
        relay.finish_sync_runs()
        relay.work_for(60)
        relay.deliver(night(1))
        relay.work()
        ((_, decision, reason, *_),) = decisions(dashboard.get(f"/runs/{NIGHT + 1}"))
        until = clock() + timedelta(minutes=29)
        assert decision == f"cooling down until {until:%Y-%m-%d %H:%M:%S} UTC"
        assert reason == "cooling_down"

    def test_a_held_sync_is_held(self, one, dashboard, store, clock):
        hold = HoldScope("default", 5123)
        store.holds.hold(hold, until=None, why="migration", by="Ada", now=clock())
        one.deliver(night())
        one.work()
        ((_, decision, reason, _models, sync_run, *_),) = decisions(dashboard.get(PAGE))
        assert (decision, reason, sync_run) == ("held", "rebuilt", "—")

    def test_a_run_that_concerns_no_sync_says_so(self, relay, dashboard):
        relay.map(mapping_text(sync_entry(5126, "fct_tickets")))
        relay.deliver(build_run("customers"))
        relay.work()
        assert "The run affects no sync" in dashboard.get(PAGE).text

    def test_one_that_never_counts_says_why(self, one, dashboard):
        one.deliver(story.ci_run(NIGHT, pull_request_id=7))
        one.work()
        page = dashboard.get(PAGE)
        assert "never counts" in page.text
        assert page.links["pull_request"] == "/reasons#pull_request"


class TestManySyncs:
    @pytest.fixture(autouse=True)
    def _many(self, decided):
        decided([("default", number) for number in range(1, 121)])
        decided([("emea", 1)], reason="test_failed")

    def test_a_hundred_are_shown_and_the_next_are_a_page_away(self, dashboard):
        first = dashboard.get(PAGE)
        second = dashboard.get(f"{PAGE}{first.links['Next syncs']}")
        shown = [row[0] for row in (*decisions(first), *decisions(second))]
        assert len(decisions(first)) == 100
        assert shown == [*map(str, range(1, 121)), "emea/1"]
        assert "Next syncs" not in second.links

    @pytest.mark.parametrize("query", ["reason=test_failed", "decision=withheld"])
    def test_a_filter_finds_the_few(self, dashboard, query):
        assert [row[0] for row in decisions(dashboard.get(f"{PAGE}?{query}"))] == ["emea/1"]

    def test_the_counts_are_of_all(self, dashboard):
        assert dashboard.json(f"{PAGE}.json?reason=test_failed")["reasons"] == {
            "rebuilt": 120,
            "test_failed": 1,
        }

    def test_a_filter_that_matches_none_says_so(self, dashboard):
        assert "No decision on this run matches" in dashboard.get(f"{PAGE}?decision=held").text

    @pytest.mark.parametrize("query", ["decision=x", "reason=x", "after=x", "after=%00/1"])
    def test_what_cannot_be_read_is_refused(self, dashboard, query):
        page = dashboard.get(f"{PAGE}?{query}", expect=400)
        assert f"{query.partition('=')[0]}: expected" in page.text


class TestTheRun:
    def test_steps_say_which_counted_and_why_not(self, one, dashboard):
        one.deliver(night())
        one.work()
        counts = [row[4] for row in dashboard.get(PAGE).rows if len(row) == 5 and row[0].isdigit()]
        assert counts[0] == "does not count : prepares the run"
        assert counts[-2:] == ["counts", "does not count : rebuilds nothing"]

    def test_steps_that_did_not_say_why_are_shown_without(self, dashboard, decided):
        step = {"index": 5, "name": "s", "command": "dbt test", "status": 10, "counts": False}
        decided([], steps=json.dumps([step]))
        assert ["5", "s", "dbt test", "success", "does not count"] in dashboard.get(PAGE).rows

    def test_the_retry_chain_is_linked_both_ways(self, one, dashboard):
        one.deliver(night(recording="build_model_error"))
        one.work()
        one.deliver(night(1, recording="retry", retrying_run_id=NIGHT))
        one.work()
        assert f"retried by {NIGHT + 1}" in dashboard.get(PAGE).text
        assert f"retries {NIGHT}" in dashboard.get(f"/runs/{NIGHT + 1}").text

    def test_one_that_was_given_up_says_why(self, dashboard, decided, clock):
        decided([], planned_at=None, given_up_at=clock(), problem="dbt Cloud answers 500")
        text = dashboard.get(PAGE).text
        assert "given up dbt Cloud answers 500" in text
        assert "Replay it when the problem is solved" in text

    def test_its_deliveries_are_linked(self, one, dashboard):
        one.deliver(night())
        ((delivery_id, event_id),) = one.sql("SELECT delivery_id, event_id FROM relay.deliveries")
        page = dashboard.get(PAGE)
        assert page.links[event_id] == f"/deliveries/{delivery_id}"
        assert "The run is not examined yet." in page.text

    def test_who_may_act_finds_replay_and_plan(self, dashboard, viewer, decided):
        decided([])
        links = dashboard.get(PAGE).links
        assert links["Replay…"] == f"/act/replay?run={NIGHT}"
        assert links["What would be decided now?"] == f"/act/plan?run={NIGHT}"
        assert "/act/" not in viewer.get(PAGE).html

    def test_an_unknown_run_is_not_found(self, dashboard):
        assert "knows no such dbt run" in dashboard.get("/runs/1", expect=404).text
        dashboard.get(f"/runs/{10**30}", expect=404)


class TestModels:
    MODELS = (
        ["model.shop.customers", "rebuilt", False, [5123, "emea/7"]],
        ["model.shop.orders", "failed", False, []],
        ["model.shop.stock", "rebuilt", True, []],
        ["model.shop.staging", "rebuilt", False, []],
    )

    def stored(self, models=MODELS, **counts):
        return json.dumps({"counts": {"rebuilt": 3, "failed": 1, **counts}, "models": models})

    def test_those_of_concern_come_first_the_others_are_folded(self, dashboard, sql, decided):
        decided([])
        sql("UPDATE relay.dbt_runs SET models = %s", self.stored())
        page = dashboard.get(PAGE)
        rows = [row for row in page.rows if len(row) == 4]
        assert ["customers", "rebuilt", "—", "5123 , emea/7"] in rows
        assert ["stock", "rebuilt", "failed a test", "—"] in rows
        assert page.links["emea/7"] == "/syncs/emea/7"
        concerned, _, others = page.html.partition("1 models that no sync reads")
        assert "staging" in others
        assert "staging" not in concerned

    def test_those_that_are_only_counted_are_told(self, dashboard, sql, decided):
        decided([])
        sql("UPDATE relay.dbt_runs SET models = %s", self.stored(skipped=2000))
        assert "2,000 more models are counted and not listed." in dashboard.get(PAGE).text

    def test_very_many_are_a_link_away(self, dashboard, sql, decided):
        decided([])
        many = [[f"model.shop.m{number}", "rebuilt", False, [5]] for number in range(150)]
        sql("UPDATE relay.dbt_runs SET models = %s", self.stored(many))
        first = dashboard.get(PAGE)
        assert ">m99<" in first.html
        assert ">m100<" not in first.html
        second = dashboard.get(f"{PAGE}{first.links['Next models']}")
        assert ">m149<" in second.html
        assert "Next models" not in second.links

    def test_a_run_of_an_earlier_version_says_that_they_are_not_recorded(self, dashboard, decided):
        decided([])
        assert "what it did to each model is not recorded" in dashboard.get(PAGE).text


class TestTheTimeline:
    def test_it_has_a_lane_for_each_triggered_sync_and_the_same_as_a_table(self, one, dashboard):
        one.deliver(night())
        one.work()
        one.finish_sync_runs()
        one.work_for(60)
        page = dashboard.get(PAGE)
        assert "then 1 sync run, over" in page.text
        assert '<svg class="wide"' in page.html
        (row,) = [row for row in page.rows if row[:1] == ["sync 5123"]]
        assert row[4] == "completed"

    def test_it_has_at_most_twenty_lanes(self, dashboard, decided):
        decided([("default", number) for number in range(1, 30)])
        assert "then 20 sync runs" in dashboard.get(PAGE).text


class TestData:
    def test_the_same_is_data_with_json_behind_the_path(self, one, dashboard):
        one.deliver(night())
        one.work()
        data = dashboard.json(f"{PAGE}.json")
        (decision,) = data["decisions"]["rows"]
        assert decision["reason"] == "rebuilt"
        assert len(decision["conditions"]) == len(GATES)
        assert data["run"]["status"] == "success"
        assert "drawing" not in data

    def test_names_from_outside_are_shown_as_text(self, dashboard, sql, decided):
        decided([], job_name=HOSTILE, environment_name=HOSTILE, cause=HOSTILE, problem=HOSTILE)
        decided([("default", 1)], models=[f"model.{HOSTILE}.{HOSTILE}"])
        step = {"index": 1, "name": HOSTILE, "command": HOSTILE, "status": 10, "counts": True}
        models = {"counts": {HOSTILE: 1}, "models": [[HOSTILE, HOSTILE, False, []]]}
        update = "UPDATE relay.dbt_runs SET git_sha = %s, steps = %s, models = %s"
        sql(update, HOSTILE, json.dumps([step]), json.dumps(models))
        sql("UPDATE relay.decisions SET through = %s", json.dumps({HOSTILE: [HOSTILE]}))
        page = dashboard.get(PAGE)
        assert "<script>alert" not in page.html
        assert "\u202e" not in page.html
        assert "x" * 2001 not in page.html
