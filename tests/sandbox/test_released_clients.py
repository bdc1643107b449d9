"""Released clients of Census against the sandbox, whole; docs/sandbox.md says how to run this.

Both have Census's host in their code: a subclass, or the class's attribute, names the sandbox's.
"""

import json
import os
import subprocess
from datetime import timedelta

import pytest

from relay.sandbox import open_sandbox, story

PYTHON = os.environ.get("RELAY_TEST_CENSUS_CLIENTS")  # an interpreter that has both packages

pytestmark = pytest.mark.skipif(
    PYTHON is None,
    reason="RELAY_TEST_CENSUS_CLIENTS names no interpreter with dagster-census and tap-getcensus",
)

DAGSTER = """
import sys
from dagster import job
from dagster_census import CensusResource, census_trigger_sync_op

class Here(CensusResource):
    @property
    def api_base_url(self):
        return f"{sys.argv[1]}/api/v1"

census = Here(api_key=sys.argv[2])
op = census_trigger_sync_op.configured({"sync_id": 5123, "poll_interval": 0.1}, name="sync")

@job(resource_defs={"census": census})
def one_sync():
    op()

result = one_sync.execute_in_process()
output = result.output_for_node("sync")
print(output.sync_run["status"], output.source["type"], output.destination["name"])
print(*(sync.id for sync in census.fetch_census_workspace_data().syncs))
"""

SINGER = """
import sys
from tap_getcensus.client import CensusStream
from tap_getcensus.tap import TapCensus

CensusStream.url_base = sys.argv[1]
TapCensus(config={"api_token": sys.argv[2]}).sync_all()
"""


@pytest.fixture(name="quick")
def _quick():
    with open_sandbox(runs_take=timedelta(seconds=0.3)) as sandbox:
        yield sandbox


def run(script, sandbox):
    done = subprocess.run(
        [PYTHON, "-c", script, sandbox.census.url, story.CENSUS_API_KEY],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_dagster_census_starts_a_sync_follows_it_and_lists_all(quick):
    run_line, syncs = run(DAGSTER, quick)[-2:]
    assert run_line == "completed snowflake Salesforce Production"
    assert syncs == "5126 5125 5124 5123"


def test_the_singer_tap_reads_every_stream(quick):
    quick.census.trigger(5123)
    lines = [json.loads(line) for line in run(SINGER, quick)]
    rows = [line["stream"] for line in lines if line["type"] == "RECORD"]
    assert {stream: rows.count(stream) for stream in rows} == {
        "syncs": 4,
        "sync_runs": 1,
        "destinations": 4,
        "destination_objects": 4,
        "sources": 1,
        "source_objects": 4,
    }
