"""The list of decisions: which syncs were triggered, which were withheld, and why."""

import pytest
from mappings import mapping_text, sync_entry
from sandbox_runs import NIGHT
from sync_stories import HOSTILE, MODEL, night_of


@pytest.fixture(name="decided")
def _decided(one):
    """A night that triggers 5123 and withholds 5124, which is disabled."""
    one.map(
        mapping_text(sync_entry(5123, "customers"), sync_entry(5124, "customers", enabled=False))
    )
    night_of(one)
    return one


def rows_of(dashboard, query=""):
    rows = dashboard.json(f"/syncs/decisions.json?{query}")["decisions"]["rows"]
    return sorted((row["sync_id"], row["decision"], row["reason"]) for row in rows)


def test_each_decision_is_listed_with_its_reason_and_models(decided, dashboard):
    page = dashboard.get("/syncs/decisions")
    shown = {row[1]: row[2:] for row in page.rows[1:]}
    assert shown["5123"] == ["triggered", "rebuilt", str(NIGHT), "Nightly build", "customers"]
    assert shown["5124"][:2] == ["withheld", "sync_disabled"]
    assert page.links["sync_disabled"] == "/reasons#sync_disabled"
    assert dashboard.json("/syncs/decisions.json")["decisions"]["rows"][0]["models"] == [MODEL]


@pytest.mark.parametrize(
    ("query", "syncs"),
    [
        ("", [5123, 5124]),
        ("decision=triggered", [5123]),
        ("decision=withheld", [5124]),
        ("reason=sync_disabled", [5124]),
        ("sync=5123", [5123]),
        ("sync=emea/5123", []),
        ("sync=5123&decision=withheld", []),
        ("since=24h", [5123, 5124]),
        ("decision=&reason=", [5123, 5124]),
    ],
)
def test_filters_are_in_the_url(decided, dashboard, query, syncs):
    assert [row[0] for row in rows_of(dashboard, query)] == syncs


@pytest.mark.parametrize("query", ["decision=eaten", "reason=eaten", "sync=x", "since=soon"])
def test_a_filter_that_cannot_be_read_is_refused(dashboard, query):
    shown = dashboard.get(f"/syncs/decisions?{query}", expect=400)
    assert f"{query.partition('=')[0]}: expected" in shown.text


def test_decisions_of_one_plan_are_on_one_page_or_the_next(decided, dashboard):
    """They all have the same time."""
    decided.sql(
        "INSERT INTO relay.decisions SELECT workspace, 6000 + n, dbt_account_id, dbt_run_id,"
        " reason, models, through, conditions, decided_at, rebuilt_at"
        " FROM relay.decisions, generate_series(1, 100) AS n WHERE sync_id = 5123"
    )
    shown, path = [], "/syncs/decisions"
    while path is not None:
        page = dashboard.get(path)
        shown += [row[1] for row in page.rows[1:]]
        older = page.links.get("Older decisions")
        path = None if older is None else f"/syncs/decisions{older}"
    assert sorted(shown) == sorted(map(str, (5123, 5124, *range(6001, 6101))))


def test_a_hostile_text_is_shown_and_not_obeyed(decided, dashboard):
    decided.sql("UPDATE relay.decisions SET models = ARRAY[%s]", HOSTILE)
    decided.sql("UPDATE relay.dbt_runs SET job_name = %s", HOSTILE)
    page = dashboard.get("/syncs/decisions")
    assert "<script>alert" not in page.html
    assert "\u202e" not in page.html


def test_a_page_that_has_found_nothing_says_so(dashboard):
    assert "Nothing matches." in dashboard.get("/syncs/decisions").text
