"""`relay mapping from-census`, over HTTP: a file that relay can use, or none."""

import pytest
from census_workspace import (
    Workspace,
    cohort,
    dataset,
    model,
    segment,
    serving,
    sync,
    table,
)
from sandbox_runs import night

from relay.decision.mapping_reader import read_mapping
from relay.sandbox.recordings import load

CATALOG, SCHEMA = "JAFFLE_CRM", "ANALYTICS"
ORDERS = "select * from jaffle_crm.analytics.orders"
SYNCS = [
    sync(1, table(CATALOG, SCHEMA, "CUSTOMERS"), "customers to Salesforce"),
    sync(2, table(CATALOG, SCHEMA, "DIM_ACCOUNTS_V2"), "accounts: #1\nto all"),
    sync(3, table(CATALOG, SCHEMA, "PLANS"), "a seed"),
    sync(4, table("OTHER", SCHEMA, "CUSTOMERS"), "another database"),
    sync(5, dataset(77), "a dataset"),
    sync(6, segment(31, 77), "a segment"),
    sync(7, cohort(12, 78), "a cohort of a template"),
    sync(8, model("saved", ORDERS), "a model"),
    sync(9, model("fct_revenue", "select 1", ORDERS), "a model of dbt"),
    sync(10, {"object": {"type": "topic", "id": 3}}, "a topic"),
    sync(11, table(CATALOG, "RAW", "LEADS"), "not of dbt"),
    sync(12, table(CATALOG, SCHEMA, "ORDERS"), "live", mode={"type": "live"}),
    sync(13, dataset(79), "a dataset that nobody may read"),
]
QUERIES = {77: f"with o as ({ORDERS}) select * from o", 78: "select * from {{ table }}"}
MAPPED = {
    1: ["customers"],
    2: ["model.jaffle_crm.dim_accounts.v2"],
    3: ["plans"],
    5: ["orders"],
    6: ["orders"],
    8: ["orders"],
    9: ["fct_revenue", "orders"],
}


@pytest.fixture(name="census")
def _census():
    with serving(Workspace(list(SYNCS), QUERIES)) as workspace:
        yield workspace


@pytest.fixture(name="run")
def _run(command, required, census, tmp_path):
    """Run it on a manifest: `run("--out", "x.yml") -> result`."""
    manifest = tmp_path / "manifest.json"
    manifest.write_bytes(load("build").manifest)
    given = required | {
        "CENSUS_URL": census.url,
        "CENSUS_API_VERSION": "v1",
        "RELAY_MAPPING": str(tmp_path / "syncs.yml"),
        "RELAY_RETRY_FOR": "1s",
    }
    words = ("mapping", "from-census", "--manifest", str(manifest))
    return lambda *more, **variables: command(*words, *more, **given | variables)


def mapped(text):
    mapping = read_mapping(text.encode(), file="x")
    return {sync.sync_id: [one.text for one in sync.depends_on] for sync in mapping.syncs}


def test_every_sync_is_mapped_asked_about_or_named_with_its_reason(run):
    result = run()
    assert result.exit_code == 0, result.stderr
    assert mapped(result.stdout) == MAPPED
    lines = result.stdout.splitlines()
    for sync_id in (4, 7, 13):
        assert f"  # - sync_id: {sync_id}" in lines
    for sync_id in (10, 11, 12):
        assert any(line.startswith(f"  # sync {sync_id} (") for line in lines)
    assert "from JAFFLE_CRM.ANALYTICS.CUSTOMERS of Warehouse to Contact of Salesforce" in lines[11]
    assert result.stderr == (
        "13 syncs: 7 mapped, 4 of them by a guess; 3 to settle (# ask:); 3 not mapped\n"
    )


def test_a_new_file_is_one_that_check_accepts(run, command, tmp_path):
    out = tmp_path / "new.yml"
    assert run("--out", str(out)).exit_code == 0
    checked = command("check", str(out), "--manifest", str(tmp_path / "manifest.json"))
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
@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 502])
def test_a_fault_is_a_sentence_and_no_file(run, census, path, status, tmp_path):
    census.faults[path] = status
    out = tmp_path / "new.yml"
    result = run("--out", str(out))
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    assert not out.exists()


def test_a_fault_at_a_dataset_leaves_a_file_that_is_added_to_as_it_was(run, census, tmp_path):
    census.faults["/datasets/77"] = 502
    file = tmp_path / "mine.yml"
    file.write_text("version: 1\nsyncs:\n  - sync_id: 1\n    depends_on: [orders]\n")
    before = file.read_bytes()
    assert run("--append", str(file)).exit_code == 1
    assert file.read_bytes() == before


def test_a_workspace_that_nobody_knows_is_refused(run):
    result = run("--workspace", "emea")
    assert result.exit_code == 2
    assert "'emea' is not one of default" in result.stderr


def test_the_syncs_of_another_workspace_come_with_it(run, census, tmp_path):
    (tmp_path / "syncs.yml").write_text(
        "version: 1\nsyncs: [{sync_id: 1, depends_on: [a], workspace: emea}]\nworkspaces:\n"
        f"  emea: {{api_key_env: CENSUS_API_KEY_EMEA, url: '{census.url}', api_version: v1}}\n"
    )
    result = run("--workspace", "emea", CENSUS_API_KEY_EMEA="secret-token:emea-key")
    assert result.exit_code == 0, result.stderr
    mapping = read_mapping(result.stdout.encode(), file="x")
    assert {one.workspace for one in mapping.syncs} == {"emea"}
    assert mapping.workspaces["emea"].url == census.url
    assert "emea-key" not in result.output


def test_without_a_file_dbt_cloud_is_asked_for_the_newest_manifest(command, here, sandbox, census):
    sandbox.dbt_cloud.add_run(night())
    result = command("mapping", "from-census", **here | {"CENSUS_URL": census.url})
    assert result.exit_code == 0, result.stderr
    assert mapped(result.stdout) == MAPPED
    assert "  environments: [187998]" in result.stdout
