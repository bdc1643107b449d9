"""Every page for everybody: axe's rules in both themes, 320 pixels, the keyboard."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from relay.dashboard.pages import PAGES
from relay.sandbox import story

BAD = story.FIRST_DBT_RUN_ID + 1
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
FORMS = ("replay?run={run}", "trigger?sync=default/5123", "hold?sync=default/5123")
FORMS += ("trigger?sync=default/5123&full=yes", "mute?sync=default/5123", "plan?run={run}")


def pages(page):
    """The address of every page, of one of each kind."""
    page.goto("/deliveries")
    delivery = page.locator("tbody th a").first.get_attribute("href")
    page.goto("/sync-runs")
    sync_run = page.locator("tbody th a").first.get_attribute("href")
    ids = {
        "delivery": delivery,
        "sync_run": sync_run,
        "dbt_run": f"/runs/{BAD}",
        "sync": "/syncs/default/5123",
    }
    yield from ("/login", "/find?id=nothing", "/runs/1")
    for known in PAGES:
        yield ids.get(known.name, known.rule)
    yield from (f"/act/{form.format(run=BAD)}" for form in FORMS)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.timeout(180)
def test_axe_finds_nothing_on_any_page(log_in, theme):
    page = log_in(color_scheme=theme)
    found = {}
    for address in list(pages(page)):
        if "<" in address:
            continue
        page.goto(address)
        result = Axe().run(page, options=RULES)
        if result.violations_count:
            found[address] = [
                (each["id"], each["nodes"][0]["html"][:200])
                for each in result.response["violations"]
            ]
    assert found == {}


@pytest.mark.timeout(120)
def test_no_page_is_wider_than_a_telephone(log_in):
    page = log_in(viewport={"width": 320, "height": 640})
    wide = {}
    for address in list(pages(page)):
        if "<" in address:
            continue
        page.goto(address)
        width = page.evaluate("document.scrollingElement.scrollWidth")
        if width > 320:
            wide[address] = width
    assert wide == {}


def test_the_keyboard_reaches_the_content_first(log_in):
    page = log_in()
    page.goto("/runs")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("#main$"))
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")
