"""The box for any id: it goes to the page of what has it."""

import uuid
from urllib.parse import quote

import pytest
from mappings import mapping_text, sync_entry
from sandbox_runs import NIGHT, night

from relay.store import Delivery

EMEA = {"emea": {"api_key_env": "CENSUS_API_KEY_EMEA"}}


@pytest.fixture(name="find")
def _find(dashboard):
    """Where the box leads to, or the page that it shows: `find("5123")`."""

    def find(wanted):
        answer = dashboard.client.get(f"/find?id={quote(wanted)}")
        return answer.headers["Location"] if answer.status_code == 303 else answer

    return find


@pytest.fixture(name="done")
def _done(one):
    """The service after a night: one delivery, one run, one sync run."""
    one.deliver(night())
    one.work()
    return one


def test_a_dbt_run_is_found(done, find):
    assert find(str(NIGHT)) == f"/runs/{NIGHT}"


def test_a_sync_is_found_by_its_id(done, find):
    assert find(" 5123 ") == "/syncs/default/5123"


def test_a_mapped_sync_is_found_before_its_first_decision(relay, find):
    relay.map(mapping_text(sync_entry(7, "orders", workspace="emea"), workspaces=EMEA))
    assert find("7") == "/syncs/emea/7"
    assert find("emea/7") == "/syncs/emea/7"


def test_a_sync_run_is_found_by_the_id_that_census_gave_it(done, find):
    ((attempt_id, sync_run_id),) = done.sql("SELECT attempt_id, sync_run_id FROM relay.sync_runs")
    assert find(str(sync_run_id)) == f"/sync-runs/{attempt_id}"


def test_a_delivery_is_found_by_its_id_and_by_its_event(done, find):
    ((delivery_id, event_id),) = done.sql("SELECT delivery_id, event_id FROM relay.deliveries")
    assert find(str(delivery_id)) == f"/deliveries/{delivery_id}"
    assert find(event_id) == f"/deliveries/{delivery_id}"


def test_an_ignored_delivery_is_found_by_its_event(store, find):
    delivery = Delivery(
        delivery_id=uuid.uuid4(), body=b"", event_id="wev_1", ignored_because="no_run_id"
    )
    store.deliveries.record([delivery])
    assert find("wev_1") == f"/deliveries/{delivery.delivery_id}"


def test_what_several_things_have_is_a_list(done, dashboard):
    done.sql("UPDATE relay.sync_runs SET sync_run_id = %s", NIGHT)
    links = dashboard.get(f"/find?id={NIGHT}").links
    ((attempt_id,),) = done.sql("SELECT attempt_id FROM relay.sync_runs")
    assert links[f"dbt run {NIGHT}"] == f"/runs/{NIGHT}"
    assert links[f"sync run {NIGHT}"] == f"/sync-runs/{attempt_id}"


def test_two_workspaces_may_have_a_sync_of_one_id(relay, dashboard):
    syncs = (sync_entry(7, "orders", workspace="emea"), sync_entry(7, "orders"))
    relay.map(mapping_text(*syncs, workspaces=EMEA))
    assert "sync emea/7" in dashboard.get("/find?id=7").text


@pytest.mark.parametrize(
    ("wanted", "looked_at"),
    [
        ("123", "dbt runs, syncs, sync runs"),
        ("9" * 19, "dbt runs, syncs, sync runs"),
        ("emea/5", "syncs of the workspace emea"),
        ("emea/" + "9" * 19, "syncs of the workspace emea"),
        ("wev_none", "event ids of deliveries, deliveries"),
        (str(uuid.UUID(int=7)), "event ids of deliveries, deliveries"),
        ("<script>alert(1)</script>", "event ids of deliveries, deliveries"),
    ],
)
def test_what_is_not_found_says_where_it_was_looked_for(find, wanted, looked_at):
    answer = find(wanted)
    assert answer.status_code == 200
    assert f"Looked at: {looked_at}." in answer.text
    assert "<script>alert" not in answer.text


@pytest.mark.parametrize("wanted", ["", " ", "wev\x001", "\u202e5", "x" * 201])
def test_what_is_no_id_is_not_looked_for(find, wanted):
    answer = find(wanted)
    assert answer.status_code == 200
    assert "Looked at" not in answer.text


def test_the_box_is_on_every_page_for_those_who_have_logged_in(dashboard, app_with):
    assert 'action="/find"' in dashboard.get("/reasons").html
    answer = app_with().test_client().get("/find?id=5123")
    assert answer.headers["Location"].startswith("/login")


def test_the_same_is_data(done, dashboard):
    (match,) = dashboard.json("/find.json?id=5123")["matches"]
    assert (match["kind"], match["workspace"], match["sync_id"]) == ("sync", "default", 5123)
