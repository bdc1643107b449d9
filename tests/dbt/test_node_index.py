"""What is looked up is what one would find by trying every node."""

import pytest

from relay.dbt.manifest import read_manifest
from relay.dbt.node_index import NodeIndex
from relay.sandbox import recordings

LINEAGE = read_manifest(recordings.load("build").manifest)
VALUES = {
    "tag": {tag for node in LINEAGE.nodes.values() for tag in node.all_tags},
    "package": {node.package_name for node in LINEAGE.nodes.values()},
    "group": {"finance"},
    "exposure": {"weekly_kpis", "jaffle_crm.weekly_kpis", "account_sync"},
    "file": {node.path.rpartition("/")[2] for node in LINEAGE.nodes.values()} | {"orders"},
    "path": {node.path for node in LINEAGE.nodes.values()}
    | {node.properties_file for node in LINEAGE.nodes.values() if node.patch_path}
    | {"models", "models/", "models/marts", "models/marts/", "seeds"},
    "name": {node.name for node in LINEAGE.rebuildable.values()},
}


@pytest.mark.parametrize(
    ("method", "value"), [(method, value) for method in VALUES for value in sorted(VALUES[method])]
)
def test_a_value_finds_what_its_pattern_matches(method, value):
    """`[c]ustomers` means `customers`, and is tried on every node."""
    index = NodeIndex(LINEAGE.rebuildable if method == "name" else LINEAGE.nodes)
    pattern = f"[{value[0]}]{value[1:]}"
    assert set(index.find(method, value)) == set(index.find(method, pattern)) != set()


@pytest.mark.parametrize(
    ("method", "value", "pattern"),
    [("config.materialized", "table", "tab*"), ("resource_type", "model", "mod*")],
)
def test_a_method_that_compares_whole_words_knows_no_pattern(method, value, pattern):
    """So does dbt 1.12: core/dbt/graph/selector_methods.py."""
    index = NodeIndex(LINEAGE.nodes)
    assert index.find(method, value)
    assert [*index.find(method, pattern), *index.find(method, "*")] == []


def test_a_qualified_name_is_no_unique_id():
    """Nor that of a versioned model without its version: dbt knows none."""
    index = NodeIndex(LINEAGE.nodes)
    assert index.find("unique_id", "model.jaffle_crm.dim_accounts")
    assert list(index.find("fqn", "model.jaffle_crm.dim_accounts")) == []


def test_an_unknown_value_finds_nothing():
    index = NodeIndex(LINEAGE.nodes)
    assert [*index.find("tag", "nobody"), *index.find("tag", "nobody*")] == []
