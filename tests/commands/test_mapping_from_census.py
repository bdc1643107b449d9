"""`relay mapping from-census` on the sandbox: a file that relay can use, or none."""

import pytest
from census_syncs import ASKED, LEFT_OUT, MAPPED, SYNCS
from mappings import mapping_text, sync_entry
from sandbox_runs import night

from relay.decision.mapping_reader import read_mapping
from relay.sandbox import story
from relay.sandbox.recordings import load
from relay.sandbox.wire import Body, HangUp, Status

HTML = Body(b"<html>Bad gateway</html>", 502, "text/html")
FAULTS = [*map(Status, (401, 403, 404, 429, 500)), HTML, HangUp()]
ITS_OWN = {sync.sync_id for sync in story.SYNCS}  # those that the sandbox begins with


@pytest.fixture(name="manifest")
def _manifest(tmp_path):
    path = tmp_path / "manifest.json"
    path.write_bytes(load("build").manifest)
    return path


@pytest.fixture(name="run")
def _run(command, here, sandbox, manifest):
    """Run it on a manifest: `run("--out", "x.yml") -> result`."""
    for sync in SYNCS:
        sandbox.census.add_sync(sync)
    words = ("mapping", "from-census", "--manifest", str(manifest))
    return lambda *more, **variables: command(*words, *more, **here | variables)


def mapped(text):
    """What each sync depends on, without those that the sandbox begins with."""
    mapping = read_mapping(text.encode(), file="x")
    return {
        sync.sync_id: [one.text for one in sync.depends_on]
        for sync in mapping.syncs
        if sync.sync_id not in ITS_OWN
    }


@pytest.mark.parametrize("api_version", ["v1", "v2"])
def test_every_sync_is_mapped_asked_about_or_named_with_its_reason(run, api_version):
    result = run(CENSUS_API_VERSION=api_version)
    assert result.exit_code == 0, result.stderr
    assert mapped(result.stdout) == MAPPED
    lines = result.stdout.splitlines()
    assert all(f"  # - sync_id: {sync_id}" in lines for sync_id in ASKED)
    for sync_id in LEFT_OUT:
        assert any(line.startswith(f"  # sync {sync_id} (") for line in lines)
    assert "  # from JAFFLE_CRM.ANALYTICS.CUSTOMERS of Warehouse to Contact of Braze" in lines
    assert "24 syncs: 19 mapped, 8 of them by a guess; 2 to settle (# ask:); 3 not mapped" in (
        result.stderr
    )


def test_a_new_file_is_one_that_check_accepts(run, command, manifest, tmp_path):
    out = tmp_path / "new.yml"
    assert run("--out", str(out)).exit_code == 0
    checked = command("check", str(out), "--manifest", str(manifest))
    assert checked.exit_code == 0, checked.stderr


def test_a_file_gets_what_it_lacks_and_keeps_all_else(run, tmp_path):
    file = tmp_path / "mine.yml"
    mine = "# mine\nversion: 1\nsyncs:\n- sync_id: 1 # one\n  depends_on: [orders]\n"
    file.write_text(mine)
    assert run("--append", str(file)).exit_code == 0
    text = file.read_text()
    assert text.startswith(mine)
    assert mapped(text) == MAPPED | {1: ["orders"]}
    again = run("--append", str(file))
    assert again.stderr.endswith("lacks nothing: it is as it was.\n")
    assert file.read_text() == text


@pytest.mark.parametrize("path", ["/syncs", "/sources", "/destinations"])
@pytest.mark.parametrize(
    "fault",
    [Status(401), Status(403), Status(404), Status(429), Status(500), HTML, HangUp()],
    ids=repr,
)
def test_a_fault_is_a_sentence_and_no_file(run, sandbox, path, fault, tmp_path):
    sandbox.census.fail_next(path, fault, times=100)
    out = tmp_path / "new.yml"
    result = run("--out", str(out))
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    assert not out.exists()


def test_a_fault_at_a_dataset_leaves_a_file_that_is_added_to_as_it_was(run, sandbox, tmp_path):
    sandbox.census.fail_next("/datasets/77", Status(502), times=100)
    file = tmp_path / "mine.yml"
    file.write_text("version: 1\nsyncs:\n  - sync_id: 1\n    depends_on: [orders]\n")
    before = file.read_bytes()
    assert run("--append", str(file)).exit_code == 1
    assert file.read_bytes() == before


def test_a_dataset_that_this_key_may_not_read_is_asked_about(run, sandbox):
    sandbox.census.fail_next("/datasets/77", Status(403), times=100)
    result = run()
    assert result.exit_code == 0
    assert mapped(result.stdout) == {
        key: found for key, found in MAPPED.items() if key not in (5, 6, 15)
    }


def test_a_workspace_that_nobody_knows_is_refused(run):
    result = run("--workspace", "emea")
    assert result.exit_code == 2
    assert "'emea' is not one of default" in result.stderr


def test_the_syncs_of_another_workspace_come_with_it(run, sandbox, here, mapping):
    emea = {"api_key_env": "CENSUS_API_KEY_EMEA", "url": sandbox.census.url}
    mapping.write_text(mapping_text(sync_entry(1, "a"), workspaces={"emea": emea}))
    key = {"CENSUS_API_KEY_EMEA": here["CENSUS_API_KEY"]}
    result = run("--workspace", "emea", RELAY_MAPPING=str(mapping), **key)
    assert result.exit_code == 0, result.stderr
    read = read_mapping(result.stdout.encode(), file="x")
    assert {one.workspace for one in read.syncs} == {"emea"}
    assert read.workspaces["emea"].url == sandbox.census.url
    assert here["CENSUS_API_KEY"] not in result.output


def test_without_a_file_dbt_cloud_is_asked_for_the_newest_manifest(run, command, here, sandbox):
    sandbox.dbt_cloud.add_run(night())
    result = command("mapping", "from-census", **here)
    assert result.exit_code == 0, result.stderr
    assert mapped(result.stdout) == MAPPED
    assert f"  environments: [{story.PRODUCTION.environment_id}]" in result.stdout


@pytest.mark.parametrize("recording", ["build", "build_model_error", "build_subset"])
def test_what_is_derived_triggers_what_a_hand_written_mapping_does(run, relay, recording):
    by_hand = mapping_text(
        *(sync_entry(sync_id, *models) for sync_id, models in MAPPED.items()),
        *(
            sync_entry(one.sync_id, model)
            for one, model in zip(story.SYNCS, THEIR_MODELS, strict=True)
        ),
    )
    relay.map(run().stdout)
    relay.deliver(night(recording=recording))
    relay.work()
    derived = triggered(relay)
    relay.sql("TRUNCATE relay.decisions CASCADE")
    relay.map(by_hand)
    relay.deliver(night(1, recording=recording))
    relay.work()
    assert derived
    assert triggered(relay) == derived


THEIR_MODELS = ("customers", "crm_orders", "fct_revenue", "fct_tickets")


def triggered(relay):
    """What was decided of each sync."""
    return set(relay.sql("SELECT sync_id, reason FROM relay.decisions"))
