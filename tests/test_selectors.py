"""The words of depends_on select what dbt's own selection does, as far as they are built."""

import json
import re
from pathlib import Path

import pytest

from relay.manifest import read_manifest
from relay.sandbox import recordings
from relay.selectors import read_selector, selected

LINEAGE = read_manifest(recordings.load("build").manifest)
REBUILDABLE = [uid for uid in LINEAGE.nodes if uid.startswith(("model.", "seed.", "snapshot."))]
DBT_LS = json.loads((Path(__file__).parent / "dbt_project" / "selections.json").read_text())


def select(word, lineage=LINEAGE):
    return sorted(selected([read_selector(word)], REBUILDABLE, lineage))


BUILT = [
    "customers",
    "dim_accounts",
    "dim_accounts.v2",
    "stg_*",
    "*orders*",
    "cust*",
    "tag:crm",
    "tag:nightly",
    "tag:c*",
    "path:models/marts",
    "path:models/marts/customers.sql",
    "path:models/staging/*",
    "package:jaffle_crm",
]


@pytest.mark.parametrize("word", [word for word in BUILT if word in DBT_LS])
def test_a_word_selects_what_dbt_ls_selects(word):
    assert select(word) == sorted(DBT_LS[word])


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("model.jaffle_crm.customers", ["model.jaffle_crm.customers"]),
        ("model.jaffle_crm.custom", []),
        (
            "model.jaffle_crm.dim_accounts",
            ["model.jaffle_crm.dim_accounts.v1", "model.jaffle_crm.dim_accounts.v2"],
        ),
        ("model.jaffle_crm.dim_accounts.v2", ["model.jaffle_crm.dim_accounts.v2"]),
        ("seed.jaffle_crm.countries", ["seed.jaffle_crm.countries"]),
        ("countries", ["seed.jaffle_crm.countries"]),
        ("accounts_history", ["snapshot.jaffle_crm.accounts_history"]),
        ("CUSTOMERS", []),
        ("custom", []),
        ("ustomers", []),
    ],
)
def test_names_and_unique_ids_select_with_and_without_a_manifest(word, expected):
    assert select(word) == expected
    assert select(word, lineage=None) == expected
    assert not read_selector(word).needs_manifest


@pytest.mark.parametrize("word", ["tag:crm", "path:models/marts", "package:jaffle_crm"])
def test_what_needs_a_manifest_says_so_and_selects_nothing_without(word):
    assert read_selector(word).needs_manifest
    assert select(word)
    assert select(word, lineage=None) == []


def test_a_path_may_end_in_a_slash():
    assert select("path:models/marts/") == select("path:models/marts")


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("", "no model's name"),
        ("two words", "no model's name"),
        ("tag:", "value is missing"),
        ("color:blue", "unknown selector `color:`"),
        ("exposure:weekly_kpis", "not supported yet"),
        ("+exposure:weekly_kpis", "not supported yet"),
        ("group:finance", "not supported yet"),
        ("config.materialized:table", "not supported yet"),
        ("fqn:a.b", "not supported yet"),
        ("resource_type:seed", "not supported yet"),
        ("+fct_revenue", "not supported yet"),
        ("customers+", "not supported yet"),
        ("2+tag:crm", "not supported yet"),
        ("tag:crm+1", "not supported yet"),
        ("@customers", "not supported yet"),
        ("tag:crm,path:models/marts", "not supported yet"),
        ("customers,orders", "not supported yet"),
        ("marts.customers", "not supported yet"),
        ("source.jaffle_crm.raw.orders", "not supported yet"),
        ("test.jaffle_crm.not_null_customers_id.123", "not supported yet"),
    ],
)
def test_a_word_that_is_not_built_is_refused_by_name(word, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        read_selector(word)
