"""`relay syncs create`: a sync is sent once, and what became of it is said."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import yaml
from census_workspace import SALESFORCE

from relay.decision.mapping_reader import read_mapping
from relay.sandbox import story
from relay.sandbox.wire import Body, Delay, HangUp, HangUpAfter, Status, StatusAfter

SYNC = {
    "label": "customers to CRM",
    "operation": "upsert",
    "source_attributes": {
        "connection_id": story.SYNCS[0].source.source.source_id,
        "object": {
            "type": "table",
            "table_catalog": "jaffle_crm",
            "table_schema": "analytics",
            "table_name": "customers",
        },
    },
    "destination_attributes": {"connection_id": SALESFORCE.destination_id, "object": "Contact"},
    "activation_id": SALESFORCE.activation_id,
    "mappings": [
        {
            "from": {"type": "column", "data": "ID"},
            "to": "external_id",
            "is_primary_identifier": True,
        }
    ],
}
UNKNOWN = "It is not known whether Census created a sync, and relay does not ask twice."

both_versions = pytest.mark.parametrize("api_version", ["v1", "v2"])


@pytest.fixture(name="create")
def _create(command, here, tmp_path):
    """Create a sync: `create("--validate-only", label="x") -> result`."""
    file = tmp_path / "new.yml"

    def run(*words, api_version="v1", **fields):
        file.write_text(yaml.safe_dump(SYNC | fields))
        return command(
            "syncs", "create", str(file), *words, **here | {"CENSUS_API_VERSION": api_version}
        )

    return run


def sent(sandbox):
    """The requests for a new sync."""
    return [one for one in sandbox.census.requests_to("/syncs") if one.method == "POST"]


def created(sandbox):
    """The syncs that the sandbox did not begin with."""
    ours = {sync.sync_id for sync in story.SYNCS}
    return [sync for sync in sandbox.census.syncs if sync.sync_id not in ours]


@both_versions
def test_makes_a_paused_sync_without_alerts_and_prints_its_mapping_entry(
    create, sandbox, api_version
):
    result = create(api_version=api_version)
    assert (result.exit_code, result.stderr) == (0, "")
    (sync,) = created(sandbox)
    assert (sync.label, sync.paused, sync.alerts) == ("customers to CRM", True, ())
    said, _, entry = result.stdout.partition("\n")
    assert said == f"created sync {sync.sync_id}, paused. For the mapping file:"
    assert "# ask: which dbt models build jaffle_crm.analytics.customers?" in entry
    (mapped,) = read_mapping(f"version: 1\nsyncs:\n{entry}".encode(), file="x").syncs
    assert (mapped.sync_id, mapped.name) == (sync.sync_id, "customers to CRM")


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ({"type": "table", "id": 901}, "table 901"),
        ({"type": "topic", "name": "clicks"}, "topic clicks"),
    ],
)
def test_the_entry_names_what_the_sync_reads(create, source, named):
    attributes = SYNC["source_attributes"] | {"object": source}
    result = create(source_attributes=attributes)
    assert f"# ask: which dbt models build {named}?" in result.stdout


def test_a_hostile_label_stays_text_in_the_entry(create, sandbox):
    label = 'a"\n- sync_id: 1\x1b[2J\u202e'
    entry = create(label=label).stdout.partition("\n")[2]
    assert not {"\x1b", "\u202e"} & {*entry}
    (mapped,) = read_mapping(f"version: 1\nsyncs:\n{entry}".encode(), file="x").syncs
    assert mapped.sync_id == created(sandbox)[0].sync_id


def test_reads_json_from_stdin(command, here, sandbox):
    process = subprocess.run(
        [sys.executable, "-P", "-m", "relay", "syncs", "create", "-"],
        input=json.dumps(SYNC, indent="\t"),
        env=environment(here),
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert len(created(sandbox)) == 1


@both_versions
@pytest.mark.parametrize("asked", [{"words": ["--validate-only"]}, {"validate_only": True}])
def test_a_validation_creates_nothing_and_shows_the_answer(create, sandbox, asked, api_version):
    words = asked.get("words", [])
    fields = {key: value for key, value in asked.items() if key != "words"}
    result = create(*words, api_version=api_version, **fields)
    assert result.exit_code == 0
    assert created(sandbox) == []
    assert len(sent(sandbox)) == 1
    assert result.stdout.startswith("Census answered HTTP 200, status 'success'")
    assert "Nothing was created." in result.stdout


def test_a_validation_that_names_a_sync_is_not_believed(create, sandbox):
    answer = b'{"status": "created", "data": {"sync_id": 7}}'
    sandbox.census.fail_next("/syncs", Body(answer, 201, "application/json"))
    result = create("--validate-only")
    assert result.exit_code == 1
    assert "Census answered HTTP 201, status 'created', sync 7" in result.stderr
    assert UNKNOWN in result.stderr


def test_a_refusal_is_shown_with_its_code_and_text(create, sandbox):
    result = create(source_attributes=SYNC["source_attributes"] | {"connection_id": 999})
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == (
        "Error: refused, no sync was created: Census answered HTTP 400, status 'error': "
        "source connection not found\n"
    )
    assert created(sandbox) == []


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Status(401), "Error: refused, no sync was created: Census answered HTTP 401"),
        (Status(403), "Error: refused, no sync was created: Census answered HTTP 403"),
        (Status(404), "Error: refused, no sync was created: Census answered HTTP 404"),
        (
            Body(b'{"status": "error", "message": "is invalid"}', 200, "application/json"),
            "Error: refused, no sync was created: Census answered HTTP 200, status 'error': is in",
        ),
        (Status(429, retry_after=30), "Error: POST /api/v1/syncs at Census: HTTP 429; Census asks"),
        (Status(408), "Error: Census answered HTTP 408"),
        (Status(500), "Error: Census answered HTTP 500"),
        (
            Body(b"<html>Bad\n gateway</html>", 502, "text/html"),
            "Error: Census answered HTTP 502: <html>Bad gateway</html>",
        ),
        (
            Body(b"<html>Sign in</html>", 200, "text/html"),
            "Error: Census answered HTTP 200: <html>Sign in</html>",
        ),
        (
            Body(b'{"status": "created", "data": {"id": 7}}', 201, "application/json"),
            "Error: Census answered HTTP 201, status 'created'",
        ),
        (StatusAfter(504), "Error: Census answered HTTP 504"),
        (HangUp(), "Error: POST /api/v1/syncs at Census: "),
        (HangUpAfter(), "Error: POST /api/v1/syncs at Census: "),
    ],
    ids=str,
)
def test_whatever_is_answered_is_said_and_nothing_is_sent_again(create, sandbox, fault, said):
    sandbox.census.fail_next("/syncs", fault)
    result = create()
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith(said)
    is_certain = "refused" in said or "429" in said
    assert (UNKNOWN in result.stderr) is not is_certain
    assert len(sent(sandbox)) == 1
    assert story.CENSUS_API_KEY not in result.output


def test_waits_longer_than_for_any_other_answer(create, sandbox, here):
    here["RELAY_HTTP_TIMEOUT"] = "1"
    sandbox.census.fail_next("/syncs", Delay(2))
    assert create().exit_code == 0


def test_sends_nothing_while_the_file_has_a_problem(create, sandbox):
    result = create(operation="upsertt", paused="no")
    assert result.exit_code == 1
    first, *problems = result.stderr.splitlines()
    assert first == "Error: nothing was sent, because the file of the sync is invalid:"
    assert [problem.split(": ")[1] for problem in problems] == ["operation", "paused"]
    assert all("new.yml:" in problem for problem in problems)
    assert sandbox.census.requests == []


def test_prints_warnings_and_goes_on(create, sandbox):
    result = create(schedule_frequency="never")
    assert result.exit_code == 0
    assert result.stderr.startswith("Warning: ")
    assert "schedule_frequency: deprecated: write `mode.triggers.schedule.frequency`" in (
        result.stderr
    )
    assert len(created(sandbox)) == 1


def test_exits_with_2_without_an_api_key(create, here):
    here["CENSUS_API_KEY"] = ""
    result = create()
    assert result.exit_code == 2
    assert "CENSUS_API_KEY" in result.stderr


def test_exits_with_2_without_a_file(command, here):
    assert command("syncs", "create", "none.yml", **here).exit_code == 2


def test_an_interrupted_wait_says_what_may_have_happened(sandbox, here, tmp_path):
    file = tmp_path / "new.yml"
    file.write_text(yaml.safe_dump(SYNC))
    sandbox.census.fail_next("/syncs", Delay(30))
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "relay", "syncs", "create", str(file)],
        env=environment(here),
        stderr=subprocess.PIPE,
        text=True,
    )
    while not sent(sandbox):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 1
    assert UNKNOWN in said
    assert "Traceback" not in said


def environment(here):
    return {key: value for key, value in os.environ.items() if not key.startswith("RELAY")} | here
