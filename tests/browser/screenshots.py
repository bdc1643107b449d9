"""Pictures of the dashboard for the documents, written by `make screenshots` to docs/images.

The data is the demo's: its sandbox, some dbt runs, and a real service. After each run the history
is moved into the past, so that the pictures show two days instead of a minute.
"""

import shutil
import sys
import tempfile
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path

import psycopg
from playwright.sync_api import sync_playwright
from psycopg import sql

from relay.postgres.embedded import EmbeddedServer
from relay.sandbox import open_sandbox, story
from relay.sandbox.dbt_jobs import SandboxJob
from relay.sandbox.dbt_runs import invoke
from relay.sandbox.demo_service import service_of
from relay.sandbox.recordings import load
from relay.sandbox.wire import Status

IMAGES = Path(__file__).parents[2] / "docs" / "images"
LARGEST = 200_000  # bytes of a picture
TOKEN = "token-of-the-pictures-0123456789abcdef"  # noqa: S105 - for a service on loopback
SETTINGS = {"RELAY_ADMIN_TOKEN": TOKEN, "RELAY_RETRY_FOR": "1s"}

NIGHTLY = story.NIGHTLY_JOB
HOURLY = SandboxJob(
    dbt_job_id=278166,
    name="Orders and revenue",
    environment=story.PRODUCTION,
    commands=("dbt run",),
    cron="0 */4 * * *",
)
# What each dbt run is, and how many hours pass after it.
HISTORY = (
    (NIGHTLY, "build", 4),
    (HOURLY, "run_tables_under_view", 4),
    (HOURLY, "run_tables_under_view", 4),
    (HOURLY, "run_tables_under_view", 12),
    (NIGHTLY, "build_test_fail", 2),
    (NIGHTLY, "build", 4),
    (HOURLY, "run_tables_under_view", 4),
    (HOURLY, "run_tables_under_view", 4),
    (HOURLY, "run_tables_under_view", 9),
)
BAD, GIVEN_UP = (NIGHTLY, "build_model_error"), (HOURLY, "run_tables_under_view")


class Story:
    """The dbt runs of the pictures, played one after the other."""

    def __init__(self, sandbox, service, database):
        self._sandbox, self._service, self._database = sandbox, service, database
        self._ids = count(story.FIRST_DBT_RUN_ID)
        self.held = set()  # syncs whose triggers wait

    def play(self, job, recording):
        """A dbt run ends, its syncs are triggered, and their runs end; return its id."""
        dbt_run_id = self._deliver(job, recording)
        plan = self._service.wait_for(
            lambda line: line["event"] == "dbt_run.planned" and line["dbt_run_id"] == dbt_run_id,
            f"the plan for dbt run {dbt_run_id}",
        )
        for sync_id in {*plan["triggers"]} - self.held:
            self._service.wait_for(
                lambda line, sync_id=sync_id: (
                    line["event"] == "sync_run.finished"
                    and line["sync_id"] == sync_id
                    and dbt_run_id in line["dbt_run_ids"]
                ),
                f"the end of sync {sync_id}'s run",
            )
        return dbt_run_id

    def give_up(self, job, recording):
        """A dbt run ends whose results dbt Cloud does not hand out."""
        self._sandbox.dbt_cloud.fail_next("run_results.json", Status(503), times=50)
        dbt_run_id = self._deliver(job, recording)
        self._service.wait_for(
            lambda line: line["event"] == "dbt_run.given_up", "a dbt run that is given up"
        )
        self._sandbox.dbt_cloud.clear_faults()

    def let_pass(self, hours):
        """Move all that relay has recorded so many hours into the past."""
        with psycopg.connect(self._database) as connection:
            columns = connection.execute(
                "SELECT table_name, column_name FROM information_schema.columns"
                " JOIN information_schema.tables USING (table_schema, table_name)"
                " WHERE table_schema = 'public' AND data_type = 'timestamp with time zone'"
                " AND table_type = 'BASE TABLE' AND table_name NOT LIKE 'procrastinate%'"
                " AND is_generated = 'NEVER'"
            ).fetchall()
            for table, column in columns:
                connection.execute(
                    sql.SQL("UPDATE {} SET {} = {} - %s").format(
                        *map(sql.Identifier, (table, column, column))
                    ),
                    [timedelta(hours=hours)],
                )

    def _deliver(self, job, recording):
        dbt_run_id = next(self._ids)
        recorded = load(recording)
        run = job.run(invoke(recorded.command, recorded), dbt_run_id=dbt_run_id)
        self._sandbox.dbt_cloud.add_run(run)
        self._service.post(self._sandbox.dbt_cloud.completed_event(dbt_run_id))
        return dbt_run_id


def main():
    """Write the pictures. Returns the exit status."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="relay-pictures-") as folder:
        Path(folder).chmod(0o711)  # PostgreSQL may be another user, who needs this folder
        with (
            open_sandbox(runs_take=timedelta(seconds=1)) as sandbox,
            service_of(sandbox, folder, SETTINGS) as service,
            open_browser() as browser,
        ):
            service.show = False
            service.wait_until_ready()
            page = browser.new_page(base_url=service.url, color_scheme="light")
            log_in(page)
            database = EmbeddedServer(Path(folder) / "data").conninfo
            bad_run_id = played(Story(sandbox, service, database), page)
            picture(page, "/", "dashboard-overview", height=1010)
            picture(page, f"/runs/{bad_run_id}", "dashboard-run", height=1010)
            picture(page, "/syncs/default/5124", "dashboard-sync", height=1010)
    return 0


def played(history, page):
    """Play the history; return the id of the dbt run in which a model failed."""
    for job, recording, hours in HISTORY:
        history.play(job, recording)
        history.let_pass(hours)
    hold(page, "default/5126", for_="8h", why="Zendesk is being migrated")
    history.held.add(5126)
    history.give_up(*GIVEN_UP)
    history.let_pass(2)
    bad_run_id = history.play(*BAD)
    history.let_pass(0.2)
    return bad_run_id


@contextmanager
def open_browser():
    """Debian's Chromium."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.exit("There is no Chromium here: install Debian's package chromium.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


def log_in(page):
    """Log in as Ada."""
    page.goto("/login")
    page.get_by_label("Your name").fill("Ada")
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Log in").click()


def hold(page, sync, *, for_, why):
    """Hold a sync, as a person would."""
    page.goto(f"/act/hold?sync={sync}")
    page.get_by_label("For").fill(for_)
    page.get_by_label("Why").fill(why)
    page.get_by_role("button", name="Hold").click()


def picture(page, address, name, *, height):
    """Write a picture of a page's top."""
    page.set_viewport_size({"width": 1280, "height": height})
    page.goto(address)
    file = IMAGES / f"{name}.png"
    page.screenshot(path=file)
    print(f"{file}: {file.stat().st_size // 1000} kB")
    if file.stat().st_size > LARGEST:
        sys.exit(f"{file} is larger than {LARGEST // 1000} kB")


if __name__ == "__main__":
    sys.exit(main())
