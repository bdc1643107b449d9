"""`dbt parse` accepts the exposures that relay writes, and says what was meant.

Runs where RELAY_TEST_DBT names a dbt with dbt-duckdb, such as that of tests/dbt_project/record.py:
RELAY_TEST_DBT=/tmp/relay-dbt/bin/dbt.
"""

import os
from pathlib import Path

import pytest
from dbt_recording import Invocation, Workspace
from entries import HOSTILE
from mappings import mapping_text, sync_entry

from relay.census.exposures import Owner
from relay.dbt.project import read_project
from relay.decision.mapping_reader import read_mapping
from relay.notation import printable
from relay.operations.mapping_to_exposures import entries_of_exposures, write_exposures
from relay.sandbox.recordings import load

DBT = os.environ.get("RELAY_TEST_DBT")
PROJECT = Path(__file__).parents[1] / "dbt_project"
PARSE = Invocation("parse", ("parse", "--no-partial-parse"))
MAPPING = read_mapping(
    mapping_text(
        sync_entry(1, "customers", "tag:crm", name="Customers to CRM"),
        sync_entry(2, "dim_accounts", name="Accounts"),
        sync_entry(3, "accounts_history", "plans", "exposure:weekly_kpis", name="Accounts"),
        sync_entry(4, "resource_type:model", name="{{ everything }}"),
        sync_entry(5, "customers", name="weekly_kpis"),
        sync_entry(6, "customers", name="Accounts", workspace="emea"),
        *(
            sync_entry(100 + number, "customers", name=printable(text))
            for number, text in enumerate(HOSTILE.values())
            if "\ufffe" not in text
        ),
        workspaces={"emea": {"api_key_env": "CENSUS_API_KEY_EMEA"}},
    ).encode(),
    file="syncs.yml",
)


@pytest.mark.skipif(DBT is None, reason="RELAY_TEST_DBT names no dbt")
@pytest.mark.timeout(300)
def test_dbt_reads_what_relay_writes_and_relay_reads_it_back(tmp_path):
    workspace = Workspace.copied_into(tmp_path, PROJECT, Path(DBT))
    before = read_project(load("build").manifest)
    owner = Owner("data team", None)
    written = write_exposures(before, MAPPING, owner, census_url="https://app.getcensus.com")
    assert written.left_out == ()
    (workspace.project / "models" / "census_exposures.yml").write_text(written.text)
    workspace.run(PARSE)
    after = read_project((workspace.project / "target/parse/manifest.json").read_bytes())
    entries, problems = entries_of_exposures(after, MAPPING)
    assert problems == ()
    assert {entry.key for entry in entries} == {sync.key for sync in MAPPING.syncs}
    assert after.lineage.nodes["exposure.jaffle_crm.customers_to_crm"].depends_on.nodes
    again = write_exposures(after, MAPPING, owner, census_url="https://app.getcensus.com")
    assert again.text == written.text
