"""The live part of a page: refreshed while it is seen, and nothing is taken from who reads it."""

import uuid

import pytest
from playwright.sync_api import expect

from relay.sandbox import story

REFRESH = "htmx.trigger(document.getElementById('live'), 'relay:refresh')"
SWAPPED = """
new Promise((resolve) => {
  document.addEventListener("htmx:finally:request", () => resolve(true), {once: true});
  htmx.trigger(document.getElementById("live"), "relay:refresh");
})
"""


def ignored_delivery(site):
    """Have a delivery ignored, and return its event id."""
    event_id = f"wev_{uuid.uuid4().hex}"
    body = site.sandbox.dbt_cloud.completed_event(story.FIRST_DBT_RUN_ID)
    text = body.decode().replace('"accountId": 66847', '"accountId": 1')
    text = text.replace('"accountId":66847', '"accountId":1')
    before, _, after = text.partition('"eventId"')
    rest = after.partition('"')[2].partition('"')[2]
    site.service.post(f'{before}"eventId": "{event_id}"{rest}'.encode())
    return event_id


def test_what_is_new_appears_without_a_reload(site, log_in):
    page = log_in()
    page.goto("/deliveries")
    event_id = ignored_delivery(site)
    page.evaluate(SWAPPED)
    expect(page.get_by_text(event_id)).to_be_visible()


def test_it_is_refreshed_every_ten_seconds_while_it_is_seen_and_not_paused(site, log_in):
    page = log_in()
    page.clock.install()
    page.goto("/deliveries")
    event_id = ignored_delivery(site)
    page.clock.run_for(10_500)
    expect(page.get_by_text(event_id)).to_be_visible()

    page.get_by_role("button", name="Pause updates").click()
    unseen = ignored_delivery(site)
    page.clock.run_for(30_000)
    expect(page.get_by_role("button", name="Updates paused")).to_have_attribute(
        "aria-pressed", "true"
    )
    expect(page.get_by_text(unseen)).to_have_count(0)
    # It stays paused on the next page, until it is resumed.
    page.goto("/deliveries?since=24h")
    page.get_by_role("button", name="Updates paused").click()
    expect(page.get_by_role("button", name="Pause updates")).to_be_visible()


def test_a_refresh_keeps_the_focus_and_what_is_open(log_in):
    page = log_in()
    page.goto(f"/runs/{story.FIRST_DBT_RUN_ID + 1}")
    details = page.locator("#live details").first
    details.locator("summary").click()
    details.locator("summary").focus()
    page.evaluate(SWAPPED)
    assert details.evaluate("node => node.open")
    assert page.evaluate("document.activeElement.matches('#live details summary')")


def test_times_can_be_those_of_the_browser(log_in):
    page = log_in(timezone_id="Asia/Tokyo")
    page.goto("/deliveries")
    first = page.locator("#live time").first
    assert first.get_attribute("title").endswith("UTC")
    page.get_by_role("button", name="Times: UTC").click()
    assert first.get_attribute("title").endswith("(local)")
    page.evaluate(SWAPPED)
    assert first.get_attribute("title").endswith("(local)")


def test_a_session_that_has_ended_leads_to_the_login(site, log_in):
    page = log_in()
    page.goto("/deliveries")
    page.context.clear_cookies()
    page.evaluate(REFRESH)
    page.wait_for_url("**/login?next=**")


@pytest.mark.parametrize("status", [503, 404])
def test_an_answer_that_is_no_page_takes_nothing_away(site, log_in, status):
    page = log_in()
    page.goto("/deliveries")
    body = "<main><h1>Service Unavailable</h1><p>others are being answered</p></main>"
    html = "text/html; charset=utf-8"
    page.route(
        "**/deliveries", lambda route: route.fulfill(status=status, content_type=html, body=body)
    )
    page.evaluate(SWAPPED)
    expect(page.locator("#live table")).to_be_visible()
    page.unroute("**/deliveries")
    event_id = ignored_delivery(site)
    page.evaluate(SWAPPED)
    expect(page.get_by_text(event_id)).to_be_visible()
