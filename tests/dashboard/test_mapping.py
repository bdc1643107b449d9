"""What the mapping covers: the file, its selectors, jobs, models and syncs; and their picture."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from dashboard_client import Dashboard
from flask import Flask
from mappings import mapping_text, sync_entry
from sandbox_runs import NIGHT, build_run, night

from relay.dashboard.application import install
from relay.errors import BadMapping
from relay.mapping_file import load
from relay.sandbox import story
from relay.store.observations import MAPPING, MAPPING_LOADED
from relay.worker import tasks

DAY = 86400
CUSTOMERS, ORDERS = "model.jaffle_crm.customers", "model.jaffle_crm.crm_orders"


@pytest.fixture(name="compared")
def _compared(relay):
    """The sandbox's four syncs, a night that was relayed, and the mapping compared with dbt."""
    relay.deliver(night())
    relay.work()
    tasks.check_drift(relay.services)
    return relay


@pytest.fixture(name="row_of")
def _row_of(sql):
    """Add a row to a table of the dashboard's: `row_of("selections", node="…")`."""

    def row_of(table, **columns):
        names, marks = ", ".join(columns), ", ".join(["%s"] * len(columns))
        sql(f"INSERT INTO relay.{table} ({names}) VALUES ({marks})", *columns.values())

    return row_of


@pytest.fixture(name="reads")
def _reads(row_of):
    """Let a sync read a node: `reads(5123, "customers")`."""

    def reads(sync_id, name, **fields):
        fields = {"workspace": "default", "materialized": "table", "behind": []} | fields
        row_of("selections", sync_id=sync_id, node=f"model.shop.{name}", **fields)

    return reads


@pytest.fixture(name="built")
def _built(row_of, clock):
    """Have a job build a node: `built("customers", job=7, days_ago=1)`."""

    def built(name, job=7, days_ago=1, **fields):
        ended = clock() - timedelta(days=days_ago)
        fields = {"job_name": f"Job {job}", "result": "rebuilt", "failed_a_test": False} | fields
        row_of(
            "model_states",
            dbt_account_id=story.DBT_ACCOUNT_ID,
            node=f"model.shop.{name}",
            dbt_job_id=job,
            dbt_run_id=NIGHT,
            finished_at=ended,
            **{"rebuilt_at": ended} | fields,
        )

    return built


@pytest.fixture(name="covered")
def _covered(relay, sql):
    """Keep what a comparison with dbt found: `covered(words={…})`."""

    def covered(**found):
        nothing = {"words": {}, "nodes_of": [], "unread": [], "unread_count": 0}
        found = nothing | {"exposures": [], "exposures_count": 0} | found
        digest, now = relay.services.mapping.current.digest, relay.clock()
        sql("INSERT INTO relay.coverage VALUES (true, %s, %s, %s)", digest, now, json.dumps(found))

    return covered


def test_a_night_is_shown_from_its_job_through_its_models_to_the_syncs(compared, dashboard):
    page = dashboard.json("/mapping.json")
    assert [job["name"] for job in page["lineage"]["jobs"]] == ["Nightly build"]
    models = {model["node"]: model["state"] for model in page["lineage"]["models"]}
    assert models[CUSTOMERS] == "rebuilt"
    assert [one["sync_id"] for one in page["lineage"]["syncs"]] == [5123, 5124, 5125, 5126]
    assert (page["stale"], page["odd"]) == ([], [])
    shown = dashboard.get("/mapping")
    assert "customers" in shown.html.partition("<svg")[2].partition("</svg>")[0]
    assert shown.links["Nightly build"].endswith("278164")


def test_each_selector_says_how_many_models_it_selects(compared, dashboard):
    compared.map(mapping_text(sync_entry(5123, "customers", "tag:nightly", "custommers")))
    tasks.check_drift(compared.services)
    (sync,) = dashboard.json("/mapping.json")["syncs"]
    notes = {word["text"]: (word["nodes"], word["note"]) for word in sync["words"]}
    assert notes["customers"] == (1, None)
    assert notes["custommers"] == (0, "selects nothing")
    assert "selects nothing" in dashboard.get("/mapping").text


def test_a_name_of_several_models_is_noted(relay, dashboard, covered):
    relay.map(mapping_text(sync_entry(5123, "customers", "tag:crm")))
    covered(words={"customers": 2, "tag:crm": 2})
    (sync,) = dashboard.json("/mapping.json")["odd"]
    assert [word["note"] for word in sync["words"]] == ["names several", None]


def test_a_selector_that_was_not_compared_yet_has_no_number(relay, dashboard, covered):
    covered(words={})
    relay.map(mapping_text(sync_entry(5123, "customers")))
    page = dashboard.json("/mapping.json")
    assert page["syncs"][0]["words"] == [{"text": "customers", "nodes": None, "note": None}]
    assert page["coverage"]["is_current"] is False
    assert "with another mapping than the one in use" in dashboard.get("/mapping").text


def test_before_the_first_comparison_it_says_so(relay, dashboard):
    shown = dashboard.get("/mapping")
    assert "No worker has compared the mapping with the dbt project yet" in shown.text
    assert dashboard.json("/mapping.json")["coverage"] is None


def test_a_sync_whose_model_was_not_built_in_two_weeks_is_listed(
    dashboard, covered, reads, built, relay
):
    covered()
    for sync_id, days_ago in ((5123, 15), (5124, 13)):
        reads(sync_id, f"m{sync_id}")
        built(f"m{sync_id}", days_ago=days_ago)
    reads(5125, "never")
    stale = dashboard.json("/mapping.json")["stale"]
    assert [(one["sync_id"], one["nodes"]) for one in stale] == [
        (5123, ["model.shop.m5123"]),
        (5125, ["model.shop.never"]),
    ]
    assert stale[1]["built_at"] is None
    assert "no rebuild recorded" in dashboard.get("/mapping").text


def test_what_dbt_found_up_to_date_need_not_be_built(dashboard, covered, reads, built, relay):
    covered()
    reads(5123, "a")
    built("a", days_ago=15)
    built("a", job=8, result="reused", rebuilt_at=None)
    assert dashboard.json("/mapping.json")["stale"] == []


def test_models_and_exposures_that_no_sync_reads_are_listed(dashboard, covered, relay):
    covered(
        unread=[["model.shop.orders", ["crm", "daily"], ["exposure.shop.weekly"]]],
        unread_count=1,
        exposures=[["exposure.shop.weekly", None], ["exposure.shop.ads", ["emea", 7]]],
        exposures_count=2,
    )
    shown = dashboard.get("/mapping")
    assert ["orders", "crm, daily", "exposure.shop.weekly"] in shown.rows
    assert "exposure.shop.weekly: no sync reads its models" in shown.text
    assert "exposure.shop.ads: stands for sync emea/7, which is not mapped" in shown.text


def test_a_large_picture_wants_one_sync_or_one_job_to_be_chosen(
    dashboard, covered, reads, built, relay
):
    covered()
    for number in range(70):
        reads(5123 if number else 5124, f"m{number:02}")
        built(f"m{number:02}", job=7 if number < 3 else 8)
    assert dashboard.json("/mapping.json")["lineage"] is None
    assert "choose one sync, or one job" in dashboard.get("/mapping").text
    of_sync = dashboard.json("/mapping.json?sync=5124")["lineage"]
    assert [model["node"] for model in of_sync["models"]] == ["model.shop.m00"]
    of_job = dashboard.json("/mapping.json?job=7")["lineage"]
    assert len(of_job["models"]) == 3
    assert 'value="default/5124" selected' in dashboard.get("/mapping?sync=default/5124").html


def test_a_view_is_dashed_and_says_what_is_behind(dashboard, covered, reads, built, relay):
    covered()
    reads(5123, "v", materialized="view", behind=["model.shop.a", "model.shop.b"])
    built("v", result="failed")
    drawn = dashboard.get("/mapping").html.partition("<svg")[2].partition("</svg>")[0]
    assert "view of a, b" in drawn
    assert 'class="box dashed"' in drawn
    assert '<text class="bad"' in drawn


def test_a_model_that_failed_a_test_says_so_by_the_last_run_of_any_job(
    dashboard, covered, reads, built, relay
):
    covered()
    reads(5123, "a")
    built("a", job=7, days_ago=2)
    built("a", job=8, days_ago=1, failed_a_test=True)
    page = dashboard.json("/mapping.json")
    assert page["lineage"]["models"][0]["state"] == "failed a test"
    states = {job["dbt_job_id"]: job["state"] for job in page["lineage"]["jobs"]}
    assert states == {7: "ok", 8: "failed"}


def test_the_list_has_what_the_picture_shows(compared, dashboard):
    listed = dashboard.get("/mapping").html.partition("The same as a list")[2]
    for shown in ("Nightly build", "customers", "5123", "customers to Salesforce"):
        assert shown in listed.partition("</details>")[0]


def test_a_withheld_sync_names_its_reason_with_a_link(relay, dashboard):
    for number, recording in enumerate(("build", "build_model_error")):
        relay.tick(60)
        relay.deliver(night(number, recording=recording))
        relay.work()
    tasks.check_drift(relay.services)
    relay.sql("UPDATE relay.sync_states SET because = 'model_failed' WHERE sync_id = 5123")
    assert dashboard.get("/mapping").links["model_failed"] == "/reasons#model_failed"


def test_many_syncs_are_listed_page_by_page(relay, dashboard):
    relay.map(mapping_text(*(sync_entry(number, "customers") for number in range(1, 62))))
    first = dashboard.get("/mapping")
    second = dashboard.json(f"/mapping.json{first.links['More syncs'].partition('/mapping')[2]}")
    assert [one["sync_id"] for one in second["syncs"]] == list(range(51, 62))
    assert second["next_from"] is None


@pytest.mark.parametrize(
    "query", ["sync=x", "sync=0", "sync=%00/5", "sync=emea/", "job=x", "from=x", "from=-1"]
)
def test_what_cannot_be_read_is_refused(dashboard, query):
    assert query.partition("=")[0] in dashboard.get(f"/mapping?{query}", expect=400).text


class TestTheFile:
    def test_says_what_is_in_use_and_since_when(self, relay, dashboard, clock):
        now = clock().timestamp()
        relay.services.store.observations.record(MAPPING_LOADED, "", now, "", clock())
        page = dashboard.json("/mapping.json")["file"]
        assert (page["syncs"], page["digest"]) == (4, relay.services.mapping.current.digest)
        assert page["path"] == str(relay.services.settings.mapping)
        assert page["loaded_at"].startswith(f"{clock():%Y-%m-%dT%H:%M}")

    def test_shows_the_problems_of_a_refused_one_with_line_and_column(
        self, relay, database, dashboard_settings
    ):
        path = Path(relay.services.settings.mapping)
        path.write_text("version: 1\nsyncs:\n  - sync_id: 5123\n    depend_on: [customers]\n")
        with pytest.raises(BadMapping) as refused:
            load(path, ())
        app = Flask("relay", static_folder=None)
        install(
            app,
            database,
            dashboard_settings,
            lambda: relay.services.mapping.current,
            mapping_problems=lambda: refused.value.problems,
            clock=relay.clock,
        )
        dashboard = Dashboard(app)
        dashboard.log_in()
        shown = dashboard.get("/mapping")
        assert "The file as it is now cannot be used: the last valid one stays in use" in shown.text
        assert "Line 4, column 5:" in shown.text
        assert "depend_on" in shown.text

    def test_shows_what_a_worker_has_refused(self, relay, dashboard, clock):
        observations = relay.services.store.observations
        observations.record(MAPPING, "", 0.0, "config/syncs.yml:3:5: syncs[0]: wrong", clock())
        assert "syncs[0]: wrong" in dashboard.get("/mapping").text


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "\u202eevil", "x" * 10_000, "'\"", "javascript:alert(1)"]
)
def test_names_from_outside_are_text(dashboard, covered, reads, built, relay, name):
    covered(
        words={"customers": 0},
        unread=[[f"model.shop.{name}", [name], [name]]],
        unread_count=1,
        exposures=[[name, [name, 7]]],
        exposures_count=1,
        lacks=name,
    )
    node = name[:1000]  # a key of the database has its limit
    reads(5123, node, materialized=name, behind=[name])
    built(node, job_name=name, result=name)
    shown = dashboard.get("/mapping")
    for harm in ("<script>alert", "\u202e", "x" * 400, 'href="javascript:'):
        assert harm not in shown.html


def test_only_who_may_act_is_offered_to_compare_now(viewer, dashboard):
    assert "Compare with dbt and Census now" in dashboard.get("/mapping").links
    assert "Compare with dbt and Census now" not in viewer.get("/mapping").links


def test_a_run_of_one_model_is_enough_for_its_sync(one, dashboard):
    one.deliver(build_run("customers"))
    one.work()
    tasks.check_drift(one.services)
    assert dashboard.json("/mapping.json")["stale"] == []
