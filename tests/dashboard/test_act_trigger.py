"""Triggering a sync from the dashboard, a full sync, and cancelling a sync run."""

import threading

import pytest
from dashboard_client import Dashboard, Shown
from flask import Flask
from mappings import mapping_text, sync_entry

from relay.dashboard.application import install
from relay.store.requests import MOST_OPEN


@pytest.fixture(name="worker")
def _worker(sql):
    """A sign of life of a worker."""
    sql("INSERT INTO procrastinate_workers DEFAULT VALUES")


def test_a_trigger_starts_a_sync_run(one, dashboard, sandbox, worker):
    result = dashboard.act("/act/trigger?sync=default/5123")
    assert "trigger: sync 5123" in result.text
    assert "queued for a worker" in result.text
    assert "no worker runs" not in result.text
    one.work()
    (run,) = sandbox.census.sync_runs
    assert (run.sync_id, run.full_sync) == (5123, False)


def test_the_result_says_if_no_worker_runs(one, dashboard):
    assert "no worker runs" in dashboard.act("/act/trigger?sync=5123").text


def test_a_full_sync_is_done_only_if_its_id_was_typed(one, dashboard, sandbox, sql):
    path = "/act/trigger?sync=default/5123&full=yes"
    for typed in ("", "5124", "yes"):
        refused = dashboard.act(path, typed=typed, expect=400)
        assert "to confirm a full sync, type 5123" in refused.text
    assert sql("SELECT count(*) FROM relay.triggers") == [(0,)]
    assert sql("SELECT count(*) FROM relay.actions") == [(0,)]
    dashboard.act(path, typed=" 5123 ")
    one.work()
    assert [run.full_sync for run in sandbox.census.sync_runs] == [True]
    assert sql("SELECT what FROM relay.actions") == [("full sync",)]


@pytest.mark.parametrize("sync", ["default/5999", "emea/5123"])
def test_a_sync_that_is_not_mapped_is_refused(one, dashboard, sql, sync):
    shown = dashboard.get(f"/act/trigger?sync={sync}")
    assert "the mapping file has no sync" in shown.text
    assert "There is nothing to do." in shown.text
    form = dashboard.get("/act/trigger?sync=5123").fields
    assert dashboard.post("/act/trigger", **form | {"sync": sync}).status_code == 400
    assert sql("SELECT count(*) FROM relay.triggers") == [(0,)]


@pytest.mark.parametrize("sync", ["", "x", "default/", "default/0", "default/-1", "a\x00b/5123"])
def test_what_is_no_sync_is_refused(one, dashboard, sync):
    answer = dashboard.client.get("/act/trigger", query_string={"sync": sync})
    assert answer.status_code == 400


def test_a_held_sync_says_that_the_trigger_waits(one, dashboard, sandbox):
    dashboard.act("/act/hold?sync=default/5123", why="audit")
    assert "It is held until it is released" in dashboard.get("/act/trigger?sync=5123").text
    assert "it is held until it is released" in dashboard.act("/act/trigger?sync=5123").text
    one.work()
    assert sandbox.census.sync_runs == []


def test_in_a_dry_run_nothing_is_sent(one, app_with, sandbox):
    dashboard = Dashboard(app_with(dry_run=True))
    dashboard.log_in()
    assert "RELAY_DRY_RUN" in dashboard.get("/act/trigger?sync=5123").text
    assert "RELAY_DRY_RUN" in dashboard.act("/act/trigger?sync=5123").text
    one.work()
    assert sandbox.census.sync_runs == []


def test_the_preview_says_what_is_under_way(one, dashboard):
    dashboard.act("/act/trigger?sync=5123")
    assert "Triggers that wait already" in dashboard.get("/act/trigger?sync=5123").text
    one.work()
    assert "A sync run of it is under way" in dashboard.get("/act/trigger?sync=5123").text


def test_two_people_with_the_same_preview_trigger_once(one, dashboard, sandbox, sql):
    path = "/act/trigger?sync=5123"
    first, second, third = (dashboard.get(path).fields for _ in range(3))
    assert dashboard.post("/act/trigger", **first).status_code == 303
    refused = dashboard.post("/act/trigger", **second)
    assert (refused.status_code, "it was triggered" in refused.text) == (400, True)
    assert "Triggers that wait already" in refused.text
    one.work()
    assert dashboard.post("/act/trigger", **third).status_code == 400
    assert sql("SELECT count(*) FROM relay.triggers") == [(1,)]
    assert len(sandbox.census.sync_runs) == 1


def test_two_people_who_press_the_button_at_the_same_time_trigger_once(one, dashboard, sql):
    visitors = [Dashboard(dashboard.client.application) for _ in range(2)]
    for visitor in visitors:
        visitor.log_in()
    for number in range(1, 6):
        together, codes = threading.Barrier(2), []

        def send(visitor, form, together=together, codes=codes):
            together.wait()
            codes.append(visitor.post("/act/trigger", **form).status_code)

        forms = [dashboard.get("/act/trigger?sync=5123").fields for _ in visitors]
        threads = [
            threading.Thread(target=send, args=pair) for pair in zip(visitors, forms, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(codes) == [303, 400]
        assert sql("SELECT count(*) FROM relay.triggers") == [(number,)]


def test_who_sees_that_it_was_triggered_meanwhile_can_trigger_it_still(one, dashboard, sql):
    path = "/act/trigger?sync=5123"
    old = dashboard.get(path).fields
    dashboard.act(path)
    shown = Shown(dashboard.post("/act/trigger", **old))
    assert dashboard.post("/act/trigger", **shown.fields).status_code == 303
    assert sql("SELECT count(*) FROM relay.triggers") == [(2,)]


def test_a_trigger_does_not_become_a_full_sync_after_its_preview(one, dashboard, sql):
    form = dashboard.get("/act/trigger?sync=5123").fields
    one.map(mapping_text(sync_entry(5123, "customers", full_sync=True)))
    assert dashboard.post("/act/trigger", **form).status_code == 400
    assert sql("SELECT count(*) FROM relay.triggers") == [(0,)]


def test_a_sync_of_another_workspace_is_confirmed_with_its_workspace(relay, dashboard, sandbox):
    entry = sync_entry(6001, "customers", workspace="emea")
    emea = {"url": sandbox.census.url, "api_key_env": "CENSUS_API_KEY_EMEA"}
    relay.map(mapping_text(entry, workspaces={"emea": emea}))
    path = "/act/trigger?sync=emea/6001&full=yes"
    dashboard.act(path, typed="6001", expect=400)
    assert "full sync: sync emea/6001" in dashboard.act(path, typed="emea/6001").text


def test_without_a_valid_mapping_nothing_is_triggered(database, dashboard_settings, relay):
    app = Flask("relay", static_folder=None)
    install(app, database, dashboard_settings, lambda: None, clock=relay.clock)
    visitor = Dashboard(app)
    visitor.log_in()
    assert "the mapping file cannot be used" in visitor.get("/act/trigger?sync=5123").text
    # A hold needs none: it is what stops a mapping that does harm.
    assert "not looked up in it" in visitor.get("/act/hold?sync=5123").text
    assert "held until it is released" in visitor.act("/act/hold?sync=5123").text


class TestCancel:
    @pytest.fixture(name="running")
    def _running(self, one, dashboard, sandbox):
        """A sync run that is under way."""
        dashboard.act("/act/trigger?sync=5123")
        one.work()
        (run,) = sandbox.census.sync_runs
        return run

    def test_a_worker_asks_census_to(self, one, dashboard, running, sandbox, sql):
        result = dashboard.act("/act/cancel?attempt=1")
        assert f"a worker was asked to cancel sync run {running.sync_run_id}" in result.text
        answer = result.links["What the worker says"]
        assert "Waiting for a worker." in dashboard.get(answer).text
        one.work()
        assert "Census has cancelled it." in dashboard.get(answer).text
        one.work_for(16)
        assert sql("SELECT outcome FROM relay.sync_runs") == [("canceled",)]

    def test_one_that_has_ended_meanwhile_is_not_cancelled(self, one, dashboard, running):
        result = dashboard.act("/act/cancel?attempt=1")
        one.finish_sync_runs()
        one.work()
        answer = dashboard.get(result.links["What the worker says"])
        assert "It has ended: completed." in answer.text

    def test_does_not_wait_for_what_else_is_asked(self, one, dashboard, running):
        for _ in range(MOST_OPEN):
            dashboard.post("/act/check", **dashboard.get("/act/check").fields)
        result = dashboard.act("/act/cancel?attempt=1")
        assert f"a worker was asked to cancel sync run {running.sync_run_id}" in result.text

    def test_one_that_has_ended_is_refused(self, one, dashboard, running):
        form = dashboard.get("/act/cancel?attempt=1").fields
        one.finish_sync_runs()
        one.work_for(16)
        assert "it has ended already: completed" in dashboard.get("/act/cancel?attempt=1").text
        assert dashboard.post("/act/cancel", **form).status_code == 400

    def test_an_unknown_one_is_refused(self, dashboard):
        assert "there is no such sync run" in dashboard.get("/act/cancel?attempt=9").text
