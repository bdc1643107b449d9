"""The page of one delivery: its body, and what followed from it."""

import json
import uuid

import pytest
from sandbox_runs import NIGHT, night

from relay.dashboard.pages.delivery import LONGEST_BODY, body_of
from relay.sandbox import story
from relay.store import Delivery


@pytest.fixture(name="deliver")
def _deliver(store):
    """Record a delivery, and return its page's path: `deliver(body, event_id="wev_1")`."""

    def deliver(body=b"{}", **fields):
        if "dbt_run_id" not in fields:
            fields = {"ignored_because": "no_run_id", **fields}
        delivery = Delivery(delivery_id=uuid.uuid4(), body=body, **fields)
        store.deliveries.record([delivery])
        return f"/deliveries/{delivery.delivery_id}"

    return deliver


def the_page(one, dashboard):
    ((delivery_id,),) = one.sql("SELECT delivery_id FROM relay.deliveries")
    return dashboard.get(f"/deliveries/{delivery_id}")


def test_what_followed_is_told_from_the_runs_end_to_the_last_sync_runs_end(one, dashboard):
    one.deliver(night())
    one.work()
    one.finish_sync_runs()
    one.work_for(60)
    page = the_page(one, dashboard)
    moments = {row[0] for row in page.rows[1:]}
    assert moments == {
        "dbt run ended",
        "delivery received",
        "run examined, syncs decided",
        "first sync triggered",
        "last sync run ended",
    }
    assert page.links[f"every decision on dbt run {NIGHT}"] == f"/runs/{NIGHT}"
    assert page.links["Replay…"] == f"/act/replay?run={NIGHT}"


def test_what_has_not_happened_yet_is_not_told(one, dashboard):
    one.deliver(night())
    page = the_page(one, dashboard)
    assert [row[0] for row in page.rows[1:]] == ["delivery received"]
    assert "recorded" in page.text


def test_an_ignored_one_says_why_and_that_nothing_followed(dashboard, deliver):
    page = dashboard.get(deliver(ignored_because="other_event_type", event_id="wev_1"))
    assert page.links["other_event_type"] == "/reasons#other_event_type"
    assert "Nothing: no dbt run was recorded for it." in page.text
    assert "Replay…" not in page.links


def test_a_repeated_one_leads_to_the_first(dashboard, deliver):
    run = {"dbt_account_id": story.DBT_ACCOUNT_ID, "dbt_run_id": NIGHT}
    first = deliver(event_id="wev_1", **run)
    page = dashboard.get(deliver(event_id="wev_2", **run))
    assert page.links["an earlier delivery"] == first


def test_a_run_of_another_account_has_no_link(dashboard, deliver):
    page = dashboard.get(deliver(event_id="wev_1", dbt_account_id=1, dbt_run_id=NIGHT))
    assert "/runs/" not in page.html
    assert "/act/" not in page.html


def test_the_body_is_indented(dashboard, deliver):
    page = dashboard.get(deliver(b'{"accountId": 1, "name": "caf\\u00e9"}'))
    assert "{\n  &#34;accountId&#34;: 1,\n  &#34;name&#34;: &#34;café&#34;\n}" in page.html


def test_it_says_how_to_send_the_body_again(dashboard, deliver):
    line = "relay send event.json --to http://localhost/webhooks/dbt"
    assert line in dashboard.get(deliver()).text


def test_a_body_that_is_not_json_is_shown_as_text(dashboard, deliver):
    page = dashboard.get(deliver(b"<script>alert(1)</script>\n\xff"))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\n\ufffd" in page.html
    assert "not shown as JSON" in page.text


@pytest.mark.parametrize(
    "body",
    [
        "\u202e\x00\x1b[31m",
        json.dumps({"\u202e": "\x00\ud800\x85\u2028\u202e"}),
        json.dumps("\u202e" * LONGEST_BODY),
        '"' + "\\ud800" * 10,
    ],
)
def test_no_character_of_a_body_changes_how_the_page_reads(body):
    text = body_of(body.encode(), len(body.encode())).text
    assert text.replace("\n", "").isprintable()


@pytest.mark.parametrize("body", [b"[" * 60_000, b"[" * 900 + b"[]" + b",[]" * 10_000 + b"]" * 900])
def test_a_deeply_nested_body_is_bounded(body):
    shown = body_of(body, len(body))
    assert len(shown.text) <= LONGEST_BODY


def test_a_large_body_is_cut_and_says_so(dashboard, deliver):
    page = dashboard.get(deliver(json.dumps(["x" * 100] * 1000).encode()))
    assert "only the beginning is shown" in page.text
    assert len(page.html) < 2 * LONGEST_BODY


def test_the_same_is_data_with_json_behind_the_path(one, dashboard):
    one.deliver(night())
    one.work()
    ((delivery_id,),) = one.sql("SELECT delivery_id FROM relay.deliveries")
    data = dashboard.json(f"/deliveries/{delivery_id}.json")
    assert (data["became"], data["dbt_run_id"], data["body"]["text"]) == ("planned", NIGHT, "{}")
    assert data["effects"]["triggers"] == 1


def test_an_unknown_delivery_is_not_found(dashboard):
    dashboard.get(f"/deliveries/{uuid.uuid4()}", expect=404)
