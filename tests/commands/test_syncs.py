"""`relay syncs`, `relay sources` and `relay destinations`: looking at Census, and cancelling."""

import json

import pytest
from census_workspace import SALESFORCE, add_every_kind
from mappings import mapping_text, sync_entry
from sandbox_runs import night

from relay.sandbox import story
from relay.sandbox.census_runs import SandboxSync
from relay.sandbox.recordings import load
from relay.sandbox.wire import Body, HangUp, HangUpAfter, Status

HTML = Body(b"<html>Bad gateway</html>", 502, "text/html")
FAULTS = {
    "401": (Status(401), "HTTP 401"),
    "403": (Status(403), "HTTP 403"),
    "404": (Status(404), "HTTP 404"),
    "429": (Status(429, retry_after=30), "HTTP 429; Census asks to wait 30 s"),
    "500": (Status(500), "HTTP 500"),
    "502": (HTML, "HTTP 502"),
    "a page": (Body(b"<html>Sign in</html>", 200, "text/html"), "HTTP 200: <html>Sign in</html>"),
    "no answer": (HangUp(), "closed without a response"),
}
HOSTILE = "a\x1b[2J\u202eb\nc\x9bd"
SECRETS = (story.CENSUS_API_KEY, "connection_details", "CENSUS_USER", "service_account")

both_versions = pytest.mark.parametrize("api_version", ["v1", "v2"])


@pytest.fixture(name="manifest")
def _manifest(tmp_path):
    path = tmp_path / "manifest.json"
    path.write_bytes(load("build").manifest)
    return str(path)


def rows(output):
    """The first cell of each row of a table, without its heading."""
    return [line.split()[0] for line in output.splitlines()[2:] if line.startswith("  ")]


class TestList:
    @both_versions
    def test_shows_every_sync_with_what_it_reads_and_writes(
        self, command, here, sandbox, api_version
    ):
        add_every_kind(sandbox)
        result = command("syncs", "list", **here | {"CENSUS_API_VERSION": api_version})
        assert result.exit_code == 0
        assert rows(result.stdout) == [*"1234567", "5123", "5124", "5125", "5126"]
        assert "segment 31 of dataset 77 (Snowflake - " in result.stdout
        assert "Contact of Salesforce Production" in result.stdout
        assert result.stdout.endswith("11 syncs, 4 of them mapped\n")

    def test_what_starts_a_sync_is_unknown_where_census_does_not_say(self, command, here, sandbox):
        """And not nothing: an empty list is what a sync has that only relay starts."""
        silent = Body(b'{"status":"success","data":[{"id":7,"mode":null}]}')
        sandbox.census.fail_next("/syncs", silent, times=2)
        shown = command("syncs", "list", **here)
        assert "unknown" in shown.stdout.splitlines()[2]
        (listed,) = json.loads(command("syncs", "list", "--json", **here).stdout)
        assert listed["own_triggers"] is None
        sandbox.census.fail_next("/syncs/5123", Body(b'{"status":"success","data":{"id":5123}}'))
        known = json.loads(command("syncs", "show", "5123", "--json", **here).stdout)
        assert known["sync"]["own_triggers"] is None

    def test_may_show_only_those_that_are_not_mapped(self, command, here, sandbox):
        add_every_kind(sandbox)
        result = command("syncs", "list", "--unmapped", **here)
        assert rows(result.stdout) == [*"1234567"]

    def test_is_json_for_programs(self, command, here):
        listed = json.loads(command("syncs", "list", "--json", **here).stdout)
        assert listed[0] == {
            "workspace": "default",
            "sync_id": 5123,
            "label": "customers to Salesforce",
            "source": "jaffle_crm.analytics.customers (Snowflake - xy12345.us-east-1)",
            "destination": "Contact of Salesforce Production",
            "state": "ready",
            "own_triggers": [],
            "is_mapped": True,
            "last_run": None,
        }

    def test_shows_the_last_run_that_relay_started(self, command, here, sandbox, relay):
        command("trigger", "5123", **here)
        relay.tick(1)
        relay.work()
        (run,) = [run for run in sandbox.census.sync_runs if run.sync_id == 5123]
        sandbox.census.finish(run.sync_run_id)
        relay.work_for(16)
        before = len(sandbox.census.requests)
        first = json.loads(command("syncs", "list", "--json", **here).stdout)[0]["last_run"]
        assert (first["sync_run_id"], first["word"]) == (run.sync_run_id, "completed")
        assert len(sandbox.census.requests) == before + 3  # syncs, sources, destinations

    def test_asks_census_for_the_last_run_if_it_is_told_to(self, command, here, sandbox):
        run = sandbox.census.trigger(5123)
        assert json.loads(command("syncs", "list", "--json", **here).stdout)[0]["last_run"] is None
        listed = json.loads(command("syncs", "list", "--json", "--runs", **here).stdout)
        assert listed[0]["last_run"]["sync_run_id"] == run.sync_run_id

    def test_needs_neither_a_mapping_file_nor_a_database_nor_dbt_cloud(
        self, command, sandbox, tmp_path
    ):
        result = command(
            "syncs",
            "list",
            CENSUS_URL=sandbox.census.url,
            CENSUS_API_KEY=story.CENSUS_API_KEY,
            RELAY_MAPPING=str(tmp_path / "none.yml"),
            RELAY_DATA_DIR=str(tmp_path / "none"),
        )
        assert result.exit_code == 0, result.stderr
        assert result.stdout.endswith("4 syncs, 0 of them mapped\n")
        assert not (tmp_path / "none").exists()

    def test_goes_through_all_workspaces_or_those_that_are_named(
        self, command, here, sandbox, tmp_path
    ):
        mapping = tmp_path / "two.yml"
        emea = {"url": sandbox.census.url, "api_key_env": "CENSUS_API_KEY_EMEA"}
        entry = sync_entry(5124, "orders", workspace="emea")
        mapping.write_text(mapping_text(entry, workspaces={"emea": emea}))
        two = {"RELAY_MAPPING": str(mapping), "CENSUS_API_KEY_EMEA": story.CENSUS_API_KEY}
        everything = command("syncs", "list", **here | two).stdout
        assert "emea/5124" in rows(everything)
        assert "5124" in rows(everything)
        named = command("syncs", "list", "--workspace", "emea", **here | two).stdout
        assert {row.split("/")[0] for row in rows(named)} == {"emea"}
        assert named.endswith("4 syncs, 1 of them mapped\n")

    def test_names_the_workspace_that_does_not_answer(self, command, here, sandbox, tmp_path):
        mapping = tmp_path / "two.yml"
        emea = {"url": sandbox.census.url, "api_key_env": "CENSUS_API_KEY_EMEA"}
        entry = sync_entry(5124, "orders", workspace="emea")
        mapping.write_text(mapping_text(entry, workspaces={"emea": emea}))
        two = {"RELAY_MAPPING": str(mapping), "CENSUS_API_KEY_EMEA": "secret-token:other"}
        result = command("syncs", "list", **here | two)
        assert result.exit_code == 1
        assert result.stderr.startswith("Error: workspace emea: ")
        assert "secret-token" not in result.output

    def test_exits_with_2_for_an_unknown_workspace(self, command, here):
        result = command("syncs", "list", "--workspace", "apac", **here)
        assert result.exit_code == 2
        assert "'apac' is not one of default" in result.stderr

    @pytest.mark.parametrize("code", [403, 404])
    def test_lists_without_names_that_census_refuses(self, command, here, sandbox, code):
        sandbox.census.fail_next("/sources", Status(code))
        result = command("syncs", "list", **here)
        assert result.exit_code == 0
        assert "  jaffle_crm.analytics.customers  " in result.stdout
        assert result.stderr.startswith("Not read: the names of sources: Census answered")

    def test_is_empty_for_a_workspace_without_syncs_to_show(self, command, here):
        named = ("--workspace", "default", "--unmapped")
        result = command("syncs", "list", *named, **here)
        assert result.exit_code == 0
        assert result.stdout.endswith("  none\n0 syncs, 0 of them mapped\n")

    def test_prints_a_hostile_label_harmlessly(self, command, here, sandbox):
        sandbox.census.change_sync(5123, label=HOSTILE)
        for words in (("list",), ("list", "--json"), ("show", "5123"), ("show", "5123", "--json")):
            output = command("syncs", *words, **here).output
            assert not {"\x1b", "\u202e", "\x9b"} & {*output}


class TestShow:
    @both_versions
    def test_shows_all_that_is_known(self, command, here, sandbox, manifest, api_version):
        run = sandbox.census.trigger(5123)
        sandbox.census.finish(run.sync_run_id, records_invalid=3)
        settings = here | {"CENSUS_API_VERSION": api_version}
        result = command("syncs", "show", "5123", "--manifest", manifest, **settings)
        assert result.exit_code == 0, result.stderr
        assert result.stderr == ""
        for line in (
            "sync 5123 (customers to Salesforce)",
            "  state         up to date",
            "  operation     upsert",
            "  reads         jaffle_crm.analytics.customers (Snowflake - xy12345.us-east-1)",
            "  writes to     Contact of Salesforce Production",
            "  relay         starts it after a rebuild of one of: customers",
            "  Census        does not start it by itself",
            "  email  external_id  yes",
        ):
            assert line in result.stdout.splitlines()
        assert "  dbt           model.jaffle_crm.customers" in result.stdout
        assert f"{run.sync_run_id}" in result.stdout
        assert "completed_with_rejects" in result.stdout

    def test_says_that_a_sync_that_both_start_runs_twice(self, command, here, sandbox, manifest):
        sandbox.census.change_sync(5123, schedule_frequency="hourly", paused=True)
        output = command("syncs", "show", "5123", "--manifest", manifest, **here).stdout
        assert "  state         paused" in output
        assert "  Census        starts it by schedule (hourly" in output
        assert "  look          both start it: it runs twice after a rebuild" in output

    def test_says_what_relay_decided_last(self, command, here, sandbox, relay, manifest):
        sandbox.dbt_cloud.add_run(night())
        command("replay", "--run", str(story.FIRST_DBT_RUN_ID), **here)
        relay.tick(1)
        relay.work()
        output = command("syncs", "show", "5123", "--manifest", manifest, **here).stdout
        decided = f"last decision triggered for dbt run {story.FIRST_DBT_RUN_ID}, "
        assert decided in output
        assert "model.jaffle_crm.customers" in output.partition(decided)[2].splitlines()[0]

    def test_reads_the_manifest_of_the_newest_run(self, command, here, sandbox, relay):
        sandbox.dbt_cloud.add_run(night())
        result = command("syncs", "show", "5123", **here)
        assert "  dbt           model.jaffle_crm.customers" in result.stdout, result.stderr

    def test_says_that_dbt_cloud_could_not_be_asked(self, command, here, sandbox):
        sandbox.dbt_cloud.fail_next("/runs", Status(401))
        result = command("syncs", "show", "5123", **here)
        assert result.exit_code == 0
        assert result.stderr.startswith("Not read: the dbt nodes that build what it reads: ")
        assert "  dbt " not in result.stdout

    def test_exits_with_1_for_a_manifest_that_is_none(self, command, here, tmp_path):
        missing = str(tmp_path / "none.json")
        result = command("syncs", "show", "5123", "--manifest", missing, **here)
        assert result.exit_code == 1
        assert "none.json: cannot be read" in result.stderr

    def test_is_json_for_programs(self, command, here, sandbox, manifest):
        words = ("syncs", "show", "5123", "--json", "--manifest", manifest)
        shown = json.loads(command(*words, **here).stdout)
        assert shown["sync"]["label"] == "customers to Salesforce"
        assert shown["mapped"] == {"depends_on": ["customers"], "enabled": True}
        assert shown["match"]["nodes"] == ["model.jaffle_crm.customers"]
        assert shown["match"]["certainty"] == "exact"

    def test_exits_with_1_for_a_sync_that_is_not_there(self, command, here, manifest):
        result = command("syncs", "show", "99", "--manifest", manifest, **here)
        assert result.exit_code == 1
        assert "is sync_id 99 right, and in this workspace?" in result.stderr


class TestRuns:
    @both_versions
    def test_shows_the_newest_first_and_no_more_than_asked(
        self, command, here, sandbox, api_version
    ):
        ids = []
        for _ in range(3):
            run = sandbox.census.trigger(5123)
            sandbox.census.finish(run.sync_run_id, status="failed", error_code="TOO_BIG")
            ids.append(str(run.sync_run_id))
        settings = here | {"CENSUS_API_VERSION": api_version}
        result = command("syncs", "runs", "5123", "--newest", "2", **settings)
        assert rows(result.stdout) == ids[:0:-1]
        assert "failed" in result.stdout
        assert "TOO_BIG" in result.stdout

    def test_is_json_for_programs(self, command, here, sandbox):
        run = sandbox.census.trigger(5123)
        (shown,) = json.loads(command("syncs", "runs", "5123", "--json", **here).stdout)
        assert (shown["sync_run_id"], shown["status"]) == (run.sync_run_id, "queued")


class TestCancel:
    @both_versions
    def test_cancels_a_run(self, command, here, sandbox, api_version):
        run = sandbox.census.trigger(5123)
        words = ("syncs", "cancel", str(run.sync_run_id))
        result = command(*words, **here | {"CENSUS_API_VERSION": api_version})
        assert (result.exit_code, result.stderr) == (0, "")
        assert result.stdout == f"sync run {run.sync_run_id}: cancelled\n"
        assert sandbox.census.sync_run(run.sync_run_id).end.canceled

    def test_exits_with_1_for_a_run_that_is_not_there(self, command, here):
        result = command("syncs", "cancel", "1", **here)
        assert result.exit_code == 1
        assert "is sync run 1 of this workspace?" in result.stderr

    def test_says_what_may_have_happened_without_an_answer(self, command, here, sandbox):
        run = sandbox.census.trigger(5123)
        sandbox.census.fail_next("/cancel", HangUpAfter())
        result = command("syncs", "cancel", str(run.sync_run_id), **here)
        assert result.exit_code == 1
        assert "may be cancelled nevertheless: `relay syncs runs SYNC_ID`" in result.stderr
        assert len(sandbox.census.requests_to("/cancel")) == 1


class TestSources:
    @both_versions
    def test_are_listed_and_shown_with_what_they_hold(self, command, here, sandbox, api_version):
        add_every_kind(sandbox)
        settings = here | {"CENSUS_API_VERSION": api_version}
        listed = command("sources", "list", **settings)
        (source_id,) = rows(listed.stdout)
        assert "snowflake" in listed.stdout
        shown = command("sources", "show", source_id, **settings)
        assert shown.exit_code == 0
        assert "table    901  jaffle_crm.analytics.customers" in shown.stdout
        assert "segment  31   active (segment 31 of dataset 77)" in shown.stdout
        few = command("sources", "show", source_id, "--most", "1", **settings).stdout
        assert few.endswith("  and more: --most shows them\n")

    def test_never_show_how_census_connects(self, command, here):
        for words in (("list",), ("list", "--json"), ("show", "4"), ("show", "4", "--json")):
            output = command("sources", *words, **here).output
            assert [secret for secret in SECRETS if secret in output] == []


class TestDestinations:
    @both_versions
    def test_are_listed_and_shown_with_their_objects(self, command, here, api_version):
        settings = here | {"CENSUS_API_VERSION": api_version}
        tool = {"v1": str(SALESFORCE.destination_id), "v2": SALESFORCE.activation_id}[api_version]
        listed = command("destinations", "list", **settings)
        assert rows(listed.stdout)[0] == tool
        shown = command("destinations", "show", tool, **settings)
        assert "Contact  Contact  append, insert, mirror, update, upsert" in shown.stdout
        fields = command("destinations", "show", tool, "--object", "Contact", **settings)
        assert "external_id  External Id  String  yes       yes" in fields.stdout
        for each in ("list",), ("show", tool), ("show", tool, "--object", "Contact"):
            assert json.loads(command("destinations", *each, "--json", **settings).stdout)

    def test_exit_with_1_for_one_that_is_not_there(self, command, here):
        result = command("destinations", "show", "99", **here)
        assert result.exit_code == 1
        assert "is there a destination 99 in this workspace?" in result.stderr


@pytest.mark.parametrize(("fault", "sentence"), FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/syncs", ("syncs", "list")),
        ("/syncs/5123/sync_runs", ("syncs", "list", "--runs")),
        ("/syncs/5123", ("syncs", "show", "5123")),
        ("/sync_runs", ("syncs", "runs", "5123")),
        ("/sources", ("sources", "list")),
        ("/sources/4", ("sources", "show", "4")),
        ("/sources/4/", ("sources", "show", "4")),  # objects, data_sources
        ("/destinations", ("destinations", "list")),
    ],
)
def test_a_fault_of_census_is_one_sentence(command, here, sandbox, path, words, fault, sentence):
    """In v1; that the client meets every fault alike in v2 is tested there."""
    sandbox.census.fail_next(path, fault, times=30)
    result = command(*words, **here | {"CENSUS_API_VERSION": "v1"})
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    said = [line for line in result.stderr.splitlines() if not line.startswith("Not read: ")]
    assert len(said) == 1
    assert said[0].startswith("Error: ")
    assert sentence in said[0]


def test_many_syncs_are_read_page_by_page(command, here, sandbox):
    for sync_id in range(1, 61):
        sandbox.census.add_sync(
            SandboxSync(
                sync_id=sync_id,
                label=f"sync {sync_id}",
                source=story.SYNCS[0].source,
                destination=SALESFORCE,
                destination_object="Contact",
            )
        )
    result = command("syncs", "list", "--json", **here)
    assert [each["sync_id"] for each in json.loads(result.stdout)][:60] == [*range(1, 61)]
    assert len([one for one in sandbox.census.requests_to("/syncs") if one.method == "GET"]) == 3
