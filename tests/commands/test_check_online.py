"""`relay check --online`: the mapping beside what dbt Cloud and Census answer, here the sandbox."""

import dataclasses
import json
import re

import pytest
from census_syncs import SYNCS, table
from mappings import mapping_text, sync_entry
from sandbox_runs import night

from relay.sandbox import story
from relay.sandbox.census_runs import SandboxSync
from relay.sandbox.dbt_projects import SandboxEnvironment
from relay.sandbox.recordings import load
from relay.sandbox.wire import Body, HangUp, Status

HTML = Body(b"<html>Bad gateway</html>", 502, "text/html")
PRODUCTION = {"environments": [story.PRODUCTION.environment_id]}
JOB = story.NIGHTLY_JOB.dbt_job_id
PLACE = re.compile(r".*syncs\.yml:\d+:\d+: syncs\[\d+\](\.depends_on\[\d+\])?")


@pytest.fixture(name="check", params=["v1", "v2"])
def _check(request, command, here, sandbox, mapping):
    """Check online in either version of the API: `check("--strict") -> result`."""
    sandbox.dbt_cloud.add_run(night())
    version = {"CENSUS_API_VERSION": request.param}

    def run(*words, **variables):
        return command("check", "--online", *words, **here | version | variables)

    run.path = mapping
    return run


@pytest.fixture(name="found")
def _found(check):
    """What is found that is no note: `found() -> {(kind, severity, sync_id)}`."""

    def ask(*words, **variables):
        report = json.loads(check(*words, "--json", **variables).stdout)
        findings = [one for one in report["findings"] if one["severity"] != "note"]
        return {(one["kind"], one["severity"], one["sync_id"]): one for one in findings}

    return ask


def write(check, *entries, **sections):
    check.path.write_text(mapping_text(*entries, **{"defaults": PRODUCTION} | sections))


def test_a_mapping_that_agrees_is_no_problem(check):
    result = check()
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"OK: 4 syncs in {check.path}\n"
    for said in ("note: DBT_CLOUD_TOKEN lists runs", "note: found webhook subscription", "opens v"):
        assert said in result.stderr
    assert "secret-token" not in result.output


def test_without_online_nothing_is_asked(command, here, sandbox):
    assert command("check", **here).exit_code == 0
    assert sandbox.census.requests == []
    assert sandbox.dbt_cloud.requests == []


def test_a_sync_that_is_not_there_is_a_problem_with_its_line(check, found):
    write(check, sync_entry(5123, "customers"), sync_entry(4999, "orders"))
    one = found()["sync_gone", "problem", 4999]
    assert PLACE.fullmatch(one["place"])
    assert one["place"].endswith(": syncs[1]")
    result = check()
    assert result.exit_code == 1
    assert f"{one['place']}: sync 4999 does not exist in workspace 'default'" in result.stderr
    assert "OK" not in result.stdout


@pytest.mark.parametrize(
    ("fields", "kind", "severity", "said"),
    [
        ({"paused": True}, "sync_paused", "problem", "is paused in Census"),
        ({"live": True}, "sync_live", "problem", "is live"),
        ({"schedule_frequency": "hourly"}, "own_trigger", "warning", "schedule (hourly)"),
        ({"dbt_cloud_job_id": "5"}, "own_trigger", "warning", "dbt Cloud (job 5)"),
        ({"fivetran_job_id": "f"}, "own_trigger", "warning", "fivetran"),
        ({"after_sync_id": 7}, "own_trigger", "warning", "sync sequence (after sync 7)"),
        ({"label": "another"}, "name_differs", "warning", "'another' in Census"),
    ],
)
def test_what_a_sync_is_set_to_is_told(found, sandbox, fields, kind, severity, said):
    sandbox.census.change_sync(5123, **fields)
    report = found()
    assert said in report[kind, severity, 5123]["text"]
    assert [key for key in report if key[2] is not None] == [(kind, severity, 5123)]


def test_a_warning_fails_only_if_strict(check, sandbox):
    sandbox.census.change_sync(5123, schedule_frequency="daily")
    write(check, *(sync_entry(one.sync_id, model) for one, model in STORY))
    result = check(CENSUS_API_VERSION="v2")
    assert result.exit_code == 0
    assert re.search(r"^warning: .*sync 5123 is also started", result.stderr, re.MULTILINE)
    strict = check("--strict", CENSUS_API_VERSION="v2")
    assert strict.exit_code == 1
    assert "warning: " not in strict.stderr


STORY = list(
    zip(story.SYNCS, ("customers", "crm_orders", "fct_revenue", "fct_tickets"), strict=True)
)


def test_a_table_that_another_model_builds_is_a_problem(check, found):
    write(check, sync_entry(5123, "orders"))
    one = found()["other_source", "problem", 5123]
    assert "model.jaffle_crm.customers builds" in one["text"]
    assert "depends_on selects model.jaffle_crm.orders" in one["text"]


@pytest.mark.parametrize(
    ("sync_id", "models", "severity"),
    [
        (8, ["customers"], "warning"),  # its SQL reads orders
        (13, ["crm_orders"], "warning"),  # and customers
        (4, ["orders"], "warning"),  # perhaps customers
        (11, ["orders"], "warning"),  # nothing of dbt
        (7, ["customers"], "note"),  # a template
    ],
)
def test_what_is_not_sure_is_less_than_a_problem(check, sandbox, sync_id, models, severity):
    sandbox.census.add_sync(next(one for one in SYNCS if one.sync_id == sync_id))
    write(check, sync_entry(sync_id, *models))
    report = json.loads(check("--json").stdout)
    (one,) = [one for one in report["findings"] if one["sync_id"] == sync_id]
    assert one["severity"] == severity
    assert report["exit_status"] == 0


@pytest.mark.parametrize(
    ("sync_id", "models"),
    [
        (1, ["customers"]),
        (1, ["+fct_revenue", "customers"]),
        (13, ["crm_orders", "customers"]),
        (4, ["customers"]),
        (20, ["fct_revenue"]),
    ],
)
def test_what_agrees_is_not_told(check, sandbox, sync_id, models):
    sandbox.census.add_sync(next(one for one in SYNCS if one.sync_id == sync_id))
    write(check, sync_entry(sync_id, *models))
    report = json.loads(check("--json").stdout)
    assert [one for one in report["findings"] if one["sync_id"] == sync_id] == []


def test_a_sync_on_a_dbt_model_that_nothing_maps_is_a_warning(check, found):
    write(check, sync_entry(5124, "crm_orders"))
    report = found()
    unmapped = {key for key in report if key[0] == "sync_unmapped"}
    assert unmapped == {("sync_unmapped", "warning", one) for one in (5123, 5125, 5126)}
    assert "from-census --append" in report["sync_unmapped", "warning", 5123]["text"]


def test_a_sync_that_is_switched_off_is_neither_compared_nor_unmapped(check, found, sandbox):
    sandbox.census.change_sync(5123, paused=True)
    entries = [sync_entry(one.sync_id, model) for one, model in STORY]
    write(check, sync_entry(5123, "orders", enabled=False), *entries[1:])
    assert {key for key in found() if key[2]} == set()


def test_what_dbt_no_longer_has_is_a_problem(check, found):
    write(
        check,
        sync_entry(5123, "customers", "custommers", jobs=[JOB, 77], environments=[88]),
    )
    report = found()
    assert "job 77" in report["job_gone", "problem", 5123]["text"]
    assert "environment 88" in report["environment_gone", "problem", 5123]["text"]


def test_a_selector_of_nothing_is_a_problem_at_its_own_place(check, found):
    write(check, sync_entry(5123, "customers", "custommers"))
    one = found()["selects_nothing", "problem", 5123]
    assert one["place"].endswith(": syncs[0].depends_on[1]")


def test_nothing_is_said_to_be_missing_in_a_project_that_was_not_seen_whole(check, found, sandbox):
    other = SandboxEnvironment(environment_id=188000, name="EU", project=story.PROJECT)
    sandbox.dbt_cloud.add_job(
        dataclasses.replace(story.NIGHTLY_JOB, dbt_job_id=278170, environment=other)
    )
    write(check, sync_entry(5123, "of_the_other", jobs=[JOB, 278170]), defaults={})
    report = found()
    assert not any(key[0] == "selects_nothing" for key in report)
    assert "environment 188000" in report["not_checked", "not_checked", None]["text"]
    assert check().exit_code == 1


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"active": False, "deactivate_reason": "1000 failures"}, "is not active"),
        ({"event_types": ("job.run.errored",)}, "relay needs job.run.completed"),
        ({"client_url": "https://example.com/other"}, "no webhook subscription leads to"),
        ({"job_ids": (5,)}, f"lists job {JOB}"),
    ],
)
def test_a_webhook_that_does_not_report_is_a_problem(check, found, sandbox, fields, said):
    write(check, sync_entry(5123, "customers", jobs=[JOB]), defaults={})
    sandbox.dbt_cloud.add_subscription(dataclasses.replace(story.SUBSCRIPTION, **fields))
    assert said in found()["webhook", "problem", None]["text"]


@pytest.mark.parametrize(
    "fault", [*map(Status, (401, 403, 404, 429, 500)), HTML, HangUp()], ids=repr
)
@pytest.mark.parametrize(
    "path", ["/runs/", "/artifacts/manifest", "/webhooks/", "/jobs/", "/environments/"]
)
def test_a_fault_of_dbt_cloud_is_told_and_is_no_success(check, sandbox, path, fault):
    write(check, sync_entry(5123, "customers", jobs=[JOB], environments=[187998]))
    sandbox.dbt_cloud.fail_next(path, fault, times=100)
    result = check()
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    assert "OK" not in result.stdout
    refused = fault in (Status(401), Status(403)) and path in ("/runs/", "/artifacts/manifest")
    assert ("not checked: " in result.stderr) is not refused
    assert "sync 5123 does not" not in result.stderr


@pytest.mark.parametrize(
    "fault", [*map(Status, (401, 403, 404, 429, 500)), HTML, HangUp()], ids=repr
)
@pytest.mark.parametrize("path", ["/syncs", "/sources", "/datasets/77"])
def test_a_fault_of_census_is_told_and_is_no_success(check, sandbox, path, fault):
    for one in SYNCS[4:6]:  # which read dataset 77
        sandbox.census.add_sync(one)
    sandbox.census.fail_next(path, fault, times=100)
    write(check, sync_entry(5123, "customers"), sync_entry(5, "orders"), sync_entry(6, "orders"))
    result = check()
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    is_key = path == "/syncs" and fault in (Status(401), Status(403))
    assert result.stderr.count("not checked: ") == (0 if is_key else 1)
    assert "does not exist" not in result.stderr


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_census_refuses_is_a_problem(found, sandbox, status):
    sandbox.census.fail_next("/syncs", Status(status), times=100)
    assert "is the API key right?" in found()["census_key", "problem", None]["text"]


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_dbt_cloud_refuses_is_a_problem(found, sandbox, status):
    sandbox.dbt_cloud.fail_next("/runs/", Status(status), times=100)
    assert f"HTTP {status}" in found()["dbt_token", "problem", None]["text"]


def test_a_sync_that_a_changing_list_passed_over_is_asked_for(found, sandbox):
    first = Body(b'{"status":"success","data":[],"pagination":{"next_page":null}}')
    sandbox.census.fail_next("/syncs", first)
    assert {key for key in found() if key[2]} == set()
    assert len(sandbox.census.requests_to("/syncs/5123")) == 1


def test_a_page_that_repeats_is_no_endless_list(check, sandbox):
    page = Body(b'{"status":"success","data":[{"id":1}],"pagination":{"page":1,"next_page":1}}')
    sandbox.census.fail_next("/syncs", page, times=100)
    result = check()
    assert result.exit_code == 1
    assert "not checked: " in result.stderr


def test_the_version_that_a_key_opens_is_told_with_its_end(found, sandbox):
    sandbox.census.fail_next("/activations", Status(401), times=10)
    text = found(CENSUS_API_VERSION="auto")["census_version", "warning", None]["text"]
    assert "opens v1" in text
    assert "2027-01-15" in text


def test_each_workspace_is_asked_by_its_own_key(check, found, sandbox):
    emea = {"api_key_env": "CENSUS_API_KEY_EMEA", "url": sandbox.census.url, "api_version": "v2"}
    write(check, sync_entry(4999, "orders", workspace="emea"), workspaces={"emea": emea})
    report = found(CENSUS_API_KEY_EMEA=story.CENSUS_API_KEY)
    assert "sync emea/4999" in report["sync_gone", "problem", 4999]["text"]
    assert report["sync_unmapped", "warning", 5123]["workspace"] == "emea"
    wrong = found(CENSUS_API_KEY_EMEA="a-key-of-somebody")
    assert wrong["census_key", "problem", None]["workspace"] == "emea"


def test_nothing_is_asked_with_wrong_settings_or_a_wrong_file(check, sandbox):
    check.path.write_text("version: 1\nsyncs: 5\n")
    for variables, status in (({}, 1), ({"CENSUS_API_KEY": ""}, 2)):
        result = check(**variables)
        assert result.exit_code == status
        assert "not checked: dbt Cloud and Census were not asked" in result.stderr
    assert sandbox.census.requests == []


def test_a_file_and_a_manifest_can_be_named(check, sandbox, tmp_path):
    manifest = tmp_path / "manifest.json"
    manifest.write_bytes(load("build").manifest)
    named = tmp_path / "other.yml"
    named.write_text(mapping_text(sync_entry(5123, "orders"), defaults=PRODUCTION))
    result = check(str(named), "--manifest", str(manifest))
    assert result.exit_code == 1
    assert f"{named}:" in result.stderr
    assert "sync 5123 reads what model.jaffle_crm.customers builds" in result.stderr
    assert sandbox.dbt_cloud.requests_to("manifest.json") == []
    sandbox.dbt_cloud.fail_next("/runs/", Status(403))
    refused = check(str(named), "--manifest", str(manifest))
    assert re.search(
        "^dbt Cloud answered HTTP 403 for the list of runs", refused.stderr, re.MULTILINE
    )


def test_many_syncs_are_read_once_page_by_page(check, sandbox):
    for sync_id in range(10001, 10201):
        sandbox.census.add_sync(
            SandboxSync(
                sync_id=sync_id,
                label=None,
                source=table(1, "nothing of dbt"),
                destination_object="Contact",
            )
        )
    assert check().exit_code == 0
    pages = [one for one in sandbox.census.requests if one.path.endswith("/syncs")]
    assert len(pages) == 9  # 204 syncs, 25 on a page


def test_what_is_derived_is_accepted_once_its_guesses_are_settled(check, command, here, sandbox):
    """Twenty syncs of every kind of source, and the four that the sandbox begins with."""
    for sync in SYNCS:
        sandbox.census.add_sync(sync)
    here = here | {"CENSUS_API_VERSION": "v2"}
    derived = command("mapping", "from-census", **here)
    assert derived.exit_code == 0, derived.stderr
    check.path.write_text(settled(derived.stdout))
    result = check("--strict", CENSUS_API_VERSION="v2")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"OK: 21 syncs in {check.path}\n"
    again = command("mapping", "from-census", "--append", str(check.path), **here)
    assert again.stderr.endswith("lacks nothing: it is as it was.\n")


def settled(text):
    """The file after a person has settled each `# ask:`: both syncs read customers."""
    entry = re.compile(r"^  # (- sync_id: \d+)\n((?:  #   .*\n)*)", re.MULTILINE)

    def settle(match):
        return f"  {match[1]}\n    depends_on: [customers]\n"

    return entry.sub(settle, text)
