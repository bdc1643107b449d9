"""A browser, `relay up` with the sandbox, and the pages of its dashboard.

They need Chromium: Debian's package `chromium`.
"""

import shutil
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from dashboard_client import ADMIN_TOKEN, VIEWER_TOKEN
from playwright.sync_api import sync_playwright

from relay.sandbox import open_sandbox, story
from relay.sandbox.demo_service import service_of
from relay.sandbox.wire import Status

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SETTINGS = {
    "RELAY_ADMIN_TOKEN": ADMIN_TOKEN,
    "RELAY_VIEWER_TOKEN": VIEWER_TOKEN,
    "RELAY_RETRY_FOR": "1s",
}
GOOD, BAD, GIVEN_UP = (story.FIRST_DBT_RUN_ID + number for number in range(3))


class Site:
    """The service: its sandbox, its log lines, its address."""

    def __init__(self, sandbox, service):
        self.sandbox, self.service, self.url = sandbox, service, service.url
        self.unavailable = Status(503)

    def finish_run(self, dbt_run_id, recording="build"):
        """Finish a nightly run of dbt, and deliver its webhook."""
        self.sandbox.dbt_cloud.add_run(story.nightly_run(dbt_run_id, recording=recording))
        self.service.post(self.sandbox.dbt_cloud.completed_event(dbt_run_id))

    def wait_for(self, event, **fields):
        """The first log line with this event and these fields."""
        return self.service.wait_for(
            lambda line: (
                line["event"] == event and all(line.get(key) == fields[key] for key in fields)
            ),
            event,
        )


@pytest.fixture(name="site", scope="session")
def _site():
    """Three nights: a good one, one with a failed model, and one that relay could not read."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here: install Debian's package chromium")
    with tempfile.TemporaryDirectory(prefix="relay-browser-") as folder:
        Path(folder).chmod(0o711)
        with (
            open_sandbox(runs_take=timedelta(seconds=1)) as sandbox,
            service_of(sandbox, folder, SETTINGS) as service,
        ):
            service.show = False
            service.wait_until_ready()
            site = Site(sandbox, service)
            site.finish_run(GOOD)
            for sync in story.SYNCS:
                site.wait_for("sync_run.finished", sync_id=sync.sync_id)
            site.finish_run(BAD, "build_model_error")
            site.wait_for("dbt_run.planned", dbt_run_id=BAD)
            sandbox.dbt_cloud.fail_next("run_results.json", Status(503), times=50)
            site.finish_run(GIVEN_UP)
            site.wait_for("dbt_run.given_up", dbt_run_id=GIVEN_UP)
            sandbox.dbt_cloud.clear_faults()
            yield site


@pytest.fixture(name="chromium", scope="module")
def _chromium(site):
    """One browser for the tests of a module: `chromium.new_context()` is a fresh one.

    While it is open, Playwright's event loop runs, and other modules' tests can run none.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(name="open_context")
def _open_context(chromium, site):
    """A new browser with these options; at the end, no page may have had an error."""
    errors, contexts = [], []

    def note(said):
        # Chromium reports an answer that is no success like an error of the page.
        if said.type == "error" and not said.text.startswith("Failed to load resource"):
            errors.append(said.text)

    def open_context(**options):
        context = chromium.new_context(base_url=site.url, **options)
        contexts.append(context)

        def watch(page):
            page.on("console", note)
            page.on("pageerror", lambda exc: errors.append(str(exc)))

        context.on("page", watch)
        return context

    yield open_context
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture(name="log_in")
def _log_in(open_context):
    """A page of somebody who has logged in: `log_in(token=…, javaScriptEnabled=False)`."""

    def log_in(token=ADMIN_TOKEN, name="Ada", **options):
        page = open_context(**options).new_page()
        page.goto("/login")
        page.get_by_label("Your name").fill(name)
        page.get_by_label("Token").fill(token)
        page.get_by_role("button", name="Log in").click()
        return page

    return log_in
