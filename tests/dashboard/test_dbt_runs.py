"""The list of dbt runs: what became of each, filtered, and page by page."""

from datetime import timedelta

import pytest
from sandbox_runs import NIGHT, night

from relay.sandbox import story

HOSTILE = "<script>alert('\"')</script>\u202e" + "x" * 10_000


@pytest.fixture(name="record")
def _record(sql, clock):
    """Record a dbt run: `record(number, status="error", …)`."""

    def record(number=0, **columns):
        given = {
            "dbt_account_id": story.DBT_ACCOUNT_ID,
            "dbt_run_id": NIGHT + number,
            "recorded_at": clock() - timedelta(minutes=number),
            "planned_at": clock(),
            **columns,
        }
        values = ", ".join(f"%({name})s" for name in given)
        sql(f"INSERT INTO relay.dbt_runs ({', '.join(given)}) VALUES ({values})", given)

    return record


def shown(dashboard, query=""):
    rows = dashboard.get(f"/runs{query}").rows[1:]
    return [row[1] for row in rows if len(row) > 2]  # a problem has a row of its own


def test_a_run_is_shown_with_how_many_syncs_it_triggered(one, dashboard):
    one.deliver(night())
    one.work()
    (row,) = dashboard.get("/runs").rows[1:]
    assert row[1:4] == [str(NIGHT), "Nightly build", "Production"]
    assert row[5:8] == ["success", "webhook", "planned"]
    assert row[10:12] == ["1", "0"]


def test_a_run_that_triggers_nothing_is_shown_with_its_withheld_syncs(one, dashboard):
    one.deliver(night(recording="build_model_error"))
    one.work()
    (row,) = dashboard.get("/runs").rows[1:]
    assert row[5] == "error"
    assert row[10:12] == ["0", "1"]


def test_the_counts_of_models_are_those_that_were_recorded_with_the_run(dashboard, record):
    record(models='{"counts": {"rebuilt": 1200, "failed": 3}, "models": []}')
    (row,) = dashboard.get("/runs").rows[1:]
    assert row[8:10] == ["1,200", "3"]


def test_the_newest_come_first_and_the_older_ones_are_a_page_away(dashboard, record):
    for number in range(51):
        record(number)
    first = dashboard.get("/runs")
    rows = first.rows[1:] + dashboard.get(f"/runs{first.links['Older runs']}").rows[1:]
    assert [row[1] for row in rows] == [str(NIGHT + number) for number in range(51)]


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("?status=error", [1]),
        ("?job=7", [0]),
        ("?environment=9", [1]),
        ("?became=given+up", [2]),
        ("?became=recorded", [3]),
        ("?became=never+counts", [4]),
        ("?became=planned", [0, 1]),
        ("?since=1h", [0, 1, 2, 3]),
        ("?became=planned&status=error&job=&since=", [1]),
    ],
)
def test_filters_are_in_the_url(dashboard, record, clock, query, numbers):
    record(0, dbt_job_id=7)
    record(1, status="error", environment_id=9)
    record(2, planned_at=None, given_up_at=clock(), problem="dbt Cloud answers 500")
    record(3, planned_at=None)
    record(4, never_counts="ci_job", recorded_at=clock() - timedelta(hours=2))
    assert shown(dashboard, query) == [str(NIGHT + number) for number in numbers]


def test_runs_of_another_account_are_not_shown(dashboard, record):
    record(dbt_account_id=1)
    assert shown(dashboard) == []


@pytest.mark.parametrize("query", ["status=well", "environment=x", "became=eaten", "job=0"])
def test_a_filter_that_cannot_be_read_is_refused(dashboard, query):
    page = dashboard.get(f"/runs?{query}", expect=400)
    assert f"{query.partition('=')[0]}: expected" in page.text


def test_what_matches_is_replayed_with_the_filters_of_the_list(dashboard, viewer, record):
    record(status="error")
    link = dashboard.get("/runs?status=error&since=24h&job=").links["Replay all that match…"]
    assert link == "/act/replay?status=error&since=24h"
    assert "Replay all that match…" not in viewer.get("/runs?status=error").links


def test_names_of_dbt_cloud_are_shown_as_text(dashboard, record):
    record(job_name=HOSTILE, environment_name=HOSTILE, cause=HOSTILE, dbt_job_id=7)
    page = dashboard.get("/runs")
    assert "<script>alert" not in page.html
    assert "\u202e" not in page.html
    assert "x" * 301 not in page.html


def test_the_same_is_data_with_json_behind_the_path(dashboard, record):
    record(status="error")
    (row,) = dashboard.json("/runs.json?status=error")["runs"]["rows"]
    assert (row["dbt_run_id"], row["became"], row["status"]) == (NIGHT, "planned", "error")


def test_a_page_that_has_found_nothing_says_so(dashboard):
    assert "Nothing matches." in dashboard.get("/runs").text
