"""Somebody looks for what went wrong in the night, and mends it, with scripts and without."""

import re

import pytest
from playwright.sync_api import expect

from relay.sandbox import story

GOOD, BAD, GIVEN_UP = (story.FIRST_DBT_RUN_ID + number for number in range(3))


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_the_bad_night_says_why_each_sync_was_withheld(log_in, scripts):
    page = log_in(java_script_enabled=scripts)
    page.get_by_role("link", name="dbt runs", exact=True).click()
    page.get_by_role("link", name=str(BAD)).first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(str(BAD))
    decisions = page.get_by_role("region", name=re.compile("decisions", re.IGNORECASE))
    expect(decisions).to_contain_text("model_failed")
    why = decisions.locator("details").first
    why.locator("summary").click()
    expect(why).to_contain_text("model_failed")
    page.get_by_role("link", name="model_failed").first.click()
    expect(page).to_have_url(re.compile("/reasons#model_failed$"))


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_a_run_that_was_given_up_is_replayed_and_its_syncs_are_triggered(site, log_in, scripts):
    dbt_run_id = GIVEN_UP if scripts else _give_up_another(site)
    page = log_in(java_script_enabled=scripts)
    given_up = page.locator(".needs", has_text=str(dbt_run_id))
    expect(given_up.get_by_role("link", name=f"Replay… dbt run {dbt_run_id}")).to_be_visible()
    page.goto(f"/runs/{dbt_run_id}")
    page.get_by_role("link", name=re.compile("^Replay")).first.click()
    page.get_by_role("button", name=re.compile("^Replay")).click()
    expect(page).to_have_url(re.compile(r"/actions/\d+$"))
    expect(page.get_by_role("main")).to_contain_text("Ada")
    site.wait_for("sync.triggered", dbt_run_id=dbt_run_id)
    page.goto(f"/runs/{dbt_run_id}")
    expect(page.get_by_role("main")).to_contain_text("triggered")


def _give_up_another(site):
    dbt_run_id = GIVEN_UP + 1
    site.sandbox.dbt_cloud.fail_next("run_results.json", site.unavailable, times=50)
    site.finish_run(dbt_run_id)
    site.wait_for("dbt_run.given_up", dbt_run_id=dbt_run_id)
    site.sandbox.dbt_cloud.clear_faults()
    return dbt_run_id


def test_a_viewer_is_offered_nothing_to_do(log_in):
    page = log_in("viewer-token-of-the-tests-0123456789", "Vic")
    page.goto(f"/runs/{BAD}")
    expect(page.get_by_role("link", name=re.compile("^Replay"))).to_have_count(0)
