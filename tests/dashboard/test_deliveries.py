"""The list of deliveries: what became of each, filtered, and page by page."""

import uuid

import pytest
from sandbox_runs import NIGHT, night

from relay.store import Delivery


@pytest.fixture(name="ignored")
def _ignored(store):
    """Record a delivery that was ignored: `ignored(reason)`."""

    def ignored(reason, event_id=None):
        delivery = Delivery(
            delivery_id=uuid.uuid4(), body=b"{}", event_id=event_id, ignored_because=reason
        )
        store.deliveries.record([delivery])

    return ignored


def test_a_delivery_is_shown_with_its_run_and_what_became_of_it(one, dashboard):
    one.deliver(night())
    one.work()
    (row,) = dashboard.get("/deliveries").rows[1:]
    assert row[2:6] == ["planned", str(NIGHT), "success", "Nightly build"]


def test_an_ignored_one_says_why(dashboard, ignored):
    ignored("wrong_account")
    (row,) = dashboard.get("/deliveries").rows[1:]
    assert row[2:] == ["ignored", "—", "—", "—", "wrong_account"]


def test_the_newest_come_first_and_the_older_ones_are_a_page_away(dashboard, ignored):
    for number in range(51):
        ignored("wrong_account", f"wev_{number}")
    first = dashboard.get("/deliveries")
    second = dashboard.get(f"/deliveries{first.links['Older deliveries']}")
    shown = [row[1] for row in (*first.rows[1:], *second.rows[1:])]
    assert len(first.rows[1:]) == 50
    assert sorted(shown) == sorted(f"wev_{number}" for number in range(51))
    assert "Older deliveries" not in second.links


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("became=ignored", ["wev_ignored"]),
        ("became=planned", []),
        ("since=1h", ["wev_ignored"]),
        ("job=278164", []),
        ("became=&job=", ["wev_ignored"]),
    ],
)
def test_filters_are_in_the_url(dashboard, ignored, clock, query, shown):
    clock.tick(-24 * 3600)
    ignored("wrong_account", "wev_ignored")
    assert [row[1] for row in dashboard.get(f"/deliveries?{query}").rows[1:]] == shown


@pytest.mark.parametrize(
    "query", ["became=eaten", "job=x", "job=-1", "since=soon", "before=x", "before=2026-01-01~1"]
)
def test_a_filter_that_cannot_be_read_is_refused(dashboard, query):
    shown = dashboard.get(f"/deliveries?{query}", expect=400)
    assert f"{query.partition('=')[0]}: expected" in shown.text


def test_the_same_is_data_with_json_behind_the_path(dashboard, ignored):
    ignored("wrong_account", "wev_1")
    data = dashboard.json("/deliveries.json?became=ignored")
    (row,) = data["deliveries"]["rows"]
    assert (row["event_id"], row["became"], row["why"]) == ("wev_1", "ignored", "wrong_account")
    assert data["deliveries"]["older"] is None


def test_a_page_that_has_found_nothing_says_so(dashboard):
    assert "Nothing matches." in dashboard.get("/deliveries").text
