"""The words of depends_on select what dbt's own selection does, as far as they are built."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.dbt.manifest import Lineage, read_manifest
from relay.dbt.nodes import DependsOn, Node
from relay.dbt.selection import Selection
from relay.dbt.selectors import read_selector
from relay.sandbox import recordings

LINEAGE = read_manifest(recordings.load("build").manifest)
REBUILDABLE = [uid for uid in LINEAGE.nodes if uid.startswith(("model.", "seed.", "snapshot."))]
DBT_LS = json.loads((Path(__file__).parents[1] / "dbt_project" / "selections.json").read_text())


def select(word, lineage=LINEAGE):
    return sorted(Selection(REBUILDABLE, lineage).selected([read_selector(word)]))


# Where relay differs from dbt on purpose, and what it does not support.
DIFFERENT = {
    "staging",  # a bare word is a name, never a folder
    "marts",
    "jaffle_crm",
    "exposure:weekly_kpis",  # stands for what it depends on
}
REFUSED = {"@stg_accounts", "customers orders", "file:customers.sql", "version:latest"} | {
    "config.meta.owner:crm",
    "source:shop+",
}


@pytest.mark.parametrize("word", sorted(set(DBT_LS) - DIFFERENT - REFUSED))
def test_a_word_selects_what_dbt_ls_selects(word):
    assert select(word) == sorted(DBT_LS[word])


@pytest.mark.parametrize("word", sorted(REFUSED))
def test_a_word_that_relay_does_not_know_is_refused(word):
    with pytest.raises(ValueError, match=re.escape(repr(word))):
        read_selector(word)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("tags:crm", "unknown selector `tags:`; did you mean `tag:`? known are a name"),
        ("+materialized:table", "did you mean `config.materialized:`? known"),
        ("source:shop", "unknown selector `source:`; known are a name"),
        ("state:modified", "unknown selector `state:`; known are a name"),
        ("test_type:unit", "unknown selector `test_type:`; known are a name"),
    ],
)
def test_a_method_that_is_nearly_a_known_one_is_asked_about(word, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        read_selector(word)


def test_an_exposure_stands_for_what_it_depends_on():
    assert select("exposure:weekly_kpis") == sorted(DBT_LS["1+exposure:weekly_kpis"])
    assert select("exposure:jaffle_crm.weekly_kpis") == select("exposure:weekly_kpis")


def test_an_exposure_of_a_metric_stands_for_the_model_behind_it():
    assert select("exposure:board_deck") == ["model.jaffle_crm.fct_revenue"]


def test_folders_are_selected_by_path_or_fqn():
    assert select("fqn:staging") == select("path:models/staging") == sorted(DBT_LS["staging"])


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
        ("", "is no selector"),
        (" ", "is no selector"),
        ("two words", "write each word as an item of its own"),
        ("tag:", "a name or value is missing"),
        ("+", "a name or value is missing"),
        ("tag:crm,", "a name or value is missing"),
        ("tag:+", "a name or value is missing"),
        ("color:blue", "unknown selector `color:`"),
        ("+color:blue", "unknown selector `color:`"),
        ("test_type:unit", "unknown selector `test_type:`"),
        ("config.severity:warn", "unknown selector `config.severity:`"),
        ("a/b", "no model's name"),
        ("@customers", "the operator `@` is not supported"),
    ],
)
def test_what_is_no_selector_is_told_as_such(word, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        read_selector(word)


@given(st.text(max_size=40))
def test_any_text_is_a_selector_or_is_refused(text):
    try:
        selector = read_selector(text)
    except ValueError:
        return
    assert Selection(REBUILDABLE, LINEAGE).selected_by(selector) <= frozenset(REBUILDABLE)


def test_a_cycle_in_the_lineage_ends():
    a, b = "model.p.a", "model.p.b"
    nodes = {
        a: Node(a, name="a", depends_on=DependsOn((b,))),
        b: Node(b, name="b", depends_on=DependsOn((a,))),
    }
    assert Selection(nodes, Lineage(nodes)).selected([read_selector("+a")]) == {a, b}
