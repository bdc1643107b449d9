"""Pictures of the dashboard for the documents, written by `make screenshots` to docs/images.

The data is the demo's: its sandbox, dbt runs, and a real service. After each run what relay has
recorded is moved into the past, and drawn out, so that the pictures show two weeks of runs that
take minutes.
"""

import shutil
import sys
import tempfile
import time
from contextlib import chdir, contextmanager
from datetime import UTC, datetime, timedelta
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
WIDTH = 1280
LARGEST = 200_000  # bytes of a picture
TOKEN = "token-of-the-pictures-0123456789abcdef"  # for a service on loopback
MAPPING = f"{story.MAPPING}defaults: {{owner: crm-team, fresh_within: 26h}}\n"
SETTINGS = {
    "RELAY_ADMIN_TOKEN": TOKEN,
    "RELAY_MAPPING": "config/crm.yml",
    "RELAY_RETRY_FOR": "1s",
}

TABLES = "run_tables_under_view"  # a recording: some of the models
NIGHTLY = story.NIGHTLY_JOB
ORDERS = SandboxJob(
    dbt_job_id=278166,
    name="Orders and revenue",
    environment=story.PRODUCTION,
    commands=("dbt run",),
    cron="0 */4 * * *",
)
# The dbt runs: how many times slower all seems that follows them, and the hours until the next.
HISTORY = (
    *((NIGHTLY, "build", pace, 24) for pace in (190, 240, 170, 260, 310, 280, 480, 230, 210)),
    (NIGHTLY, "build", 250, 6),
    (ORDERS, TABLES, 130, 4),
    (ORDERS, TABLES, 160, 4),
    (ORDERS, TABLES, 110, 10),
    (NIGHTLY, "build_test_fail", 220, 2),
    (NIGHTLY, "build", 270, 4),
    (ORDERS, TABLES, 140, 4),
    (ORDERS, TABLES, 120, 4),
    (ORDERS, TABLES, 150, 8),
)

TIMES = """
SELECT table_name, column_name FROM information_schema.columns
JOIN information_schema.tables USING (table_schema, table_name)
WHERE table_schema = 'relay' AND table_type = 'BASE TABLE' AND is_generated = 'NEVER'
  AND data_type = 'timestamp with time zone'
"""
MOVE = """
UPDATE {table} SET {at} = {at} - %(passed)s
    + greatest({at} - %(since)s, interval '0 s') * (%(pace)s - 1)
WHERE {at} BETWEEN now() - interval '90 days' AND now()
"""
SLOW_DOWN = "UPDATE relay.sync_runs SET lag = lag * %(pace)s WHERE begun_at > %(since)s"
TAKE_OVER = """
UPDATE relay.sync_states AS state SET lag = run.lag
FROM relay.sync_runs AS run
WHERE (run.workspace, run.sync_id) = (state.workspace, state.sync_id)
  AND run.begun_at > %(since)s AND run.lag IS NOT NULL
"""


SELECTED = "SELECT FROM relay.selections LIMIT 1"


class Story:
    """The dbt runs of the pictures, played one after the other."""

    def __init__(self, sandbox, service, database):
        self._sandbox, self._service, self._database = sandbox, service, database
        self._ids = count(story.FIRST_DBT_RUN_ID)
        self.held = set()  # syncs whose triggers wait

    def play(self, job, recording, *, pace=1, hours=0.0):
        """A dbt run ends, its syncs are triggered, their runs end, and time passes.

        Returns its id.
        """
        began = datetime.now(UTC)
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
        self.let_pass(hours, since=began, pace=pace)
        return dbt_run_id

    def give_up(self, job, recording, *, hours):
        """A dbt run ends whose results dbt Cloud does not hand out."""
        self._sandbox.dbt_cloud.fail_next("run_results.json", Status(503), times=50)
        self._deliver(job, recording)
        self._service.wait_for(
            lambda line: line["event"] == "dbt_run.given_up", "a dbt run that is given up"
        )
        self._sandbox.dbt_cloud.clear_faults()
        self.let_pass(hours, since=datetime.now(UTC), pace=1)

    def hold(self, page, sync_id, *, until_in, why):
        """Hold a sync, as a person does."""
        page.goto(f"/act/hold?sync=default/{sync_id}")
        page.get_by_label("For").fill(until_in)
        page.get_by_label("Why").fill(why)
        page.get_by_role("button", name="Hold").click()
        self.held.add(sync_id)

    def wait_for_comparison(self):
        """A worker looks up which models the mapping selects, a minute after it has started."""
        deadline = time.monotonic() + 90
        with psycopg.connect(self._database, autocommit=True) as connection:
            while connection.execute(SELECTED).fetchone() is None:
                if time.monotonic() > deadline:
                    sys.exit("No worker has compared the mapping with the dbt project.")
                time.sleep(1)

    def let_pass(self, hours, *, since, pace):
        """Move what relay has recorded into the past, and draw out what came after a time."""
        given = {"since": since, "pace": pace, "passed": timedelta(hours=hours)}
        with psycopg.connect(self._database) as connection:
            connection.execute(SLOW_DOWN, given)
            connection.execute(TAKE_OVER, given)
            for table, column in connection.execute(TIMES).fetchall():
                names = {"table": sql.Identifier("relay", table), "at": sql.Identifier(column)}
                connection.execute(sql.SQL(MOVE).format(**names), given)

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
    with tempfile.TemporaryDirectory(prefix="relay-pictures-") as folder, chdir(folder):
        Path(folder).chmod(0o711)  # PostgreSQL may be another user, who needs this folder
        Path("config").mkdir()
        Path(SETTINGS["RELAY_MAPPING"]).write_text(MAPPING)
        with (
            open_sandbox(runs_take=timedelta(seconds=1)) as sandbox,
            service_of(sandbox, folder, SETTINGS) as service,
            open_browser() as browser,
        ):
            service.show = False
            service.wait_until_ready()
            page = log_in(browser, service.url)
            history = Story(sandbox, service, EmbeddedServer(Path(folder, "data")).conninfo)
            bad_run_id = play(history, page)
            page.goto("/")
            picture(page, "dashboard-overview", until=page.locator(".strips > li").nth(5))
            page.goto(f"/runs/{bad_run_id}")
            page.get_by_text("All conditions of sync 5123").click()
            picture(page, "dashboard-run", until=page.get_by_role("link", name="5125").first)
            page.goto("/syncs/default/5123")
            picture(page, "dashboard-sync", until=page.get_by_role("heading", name="Sync runs"))
    return 0


def play(history, page):
    """Play the history; return the id of the dbt run in which a model failed."""
    for job, recording, pace, hours in HISTORY:
        history.play(job, recording, pace=pace, hours=hours)
    history.wait_for_comparison()
    history.hold(page, 5126, until_in="8h", why="Zendesk is being migrated")
    history.give_up(ORDERS, TABLES, hours=2)
    return history.play(NIGHTLY, "build_model_error", pace=200, hours=0.3)


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


def log_in(browser, url):
    """A page of somebody who has logged in, in the light theme."""
    size = {"width": WIDTH, "height": WIDTH}
    page = browser.new_page(base_url=url, viewport=size, color_scheme="light")
    page.goto("/login")
    page.get_by_label("Your name").fill("Ada")
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Log in").click()
    return page


def picture(page, name, *, until):
    """Write a picture of a page, down to something on it."""
    file = IMAGES / f"{name}.png"
    height = until.bounding_box()["y"] + page.evaluate("scrollY")
    clip = {"x": 0, "y": 0, "width": WIDTH, "height": height}
    page.screenshot(path=file, full_page=True, clip=clip)
    sys.stdout.write(f"{file}: {file.stat().st_size // 1000} kB\n")
    if file.stat().st_size > LARGEST:
        sys.exit(f"{file} is larger than {LARGEST // 1000} kB")


if __name__ == "__main__":
    sys.exit(main())
