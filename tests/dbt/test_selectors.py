"""The selectors of depends_on select what dbt's own selection does, or are refused."""

import gzip
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

TESTS = Path(__file__).parents[1]
LINEAGE = read_manifest(recordings.load("build").manifest)
REBUILDABLE = list(LINEAGE.rebuildable)
DBT_LS = json.loads((TESTS / "dbt_project" / "selections.json").read_text())

# A project of names with dots, odd versions and an installed package.
ODD_NAMES = TESTS / "dbt_selectors" / "recorded"
SHOP = read_manifest(gzip.decompress((ODD_NAMES / "manifest.json.gz").read_bytes()))
SHOP_LS = json.loads((ODD_NAMES / "selections.json").read_text())


def select(word, lineage=LINEAGE):
    return sorted(Selection(REBUILDABLE, lineage).selected([read_selector(word)]))


def select_in_shop(word):
    """The selected nodes, None where the word is refused."""
    try:
        selector = read_selector(word)
    except ValueError:
        return None
    return sorted(Selection(SHOP.rebuildable, SHOP).selected([selector]))


# Where relay differs from dbt on purpose, and what it does not support.
DIFFERENT = {
    "staging",  # a bare word is a name, never a folder
    "marts",
    "jaffle_crm",
    "exposure:weekly_kpis",  # stands for what it depends on
}
REFUSED = {"@stg_accounts", "customers orders", "version:latest"} | {
    "config.meta.owner:crm",
    "source:shop+",
}
DIFFERENT_IN_SHOP = {
    "finance": [],  # a bare word is a name, never a folder or package
    "fin*": [],
    "shop*": [],
    "model.shop.orders": ["model.shop.orders"],  # a unique_id, which dbt does not know
    "prices.v1.5": ["model.shop.prices.v1.5"],  # dbt wants a folder before it
    # dbt looks only for files of the root project, relay for those of packages too
    "path:models/salesforce": ["model.crm.leads"],
    "path:models/salesforce/leads.sql": ["model.crm.leads"],
    "path:models/[fm]*/*.sql": sorted(["model.crm.vendors", *SHOP_LS["path:models/[fm]*/*.sql"]]),
    # refused by relay: dbt compares whole words, so that these never select anything
    "config.materialized:tab*": None,
    "config.materialized:*": None,
    # dbt crashes
    "path:.": sorted(SHOP.rebuildable),
    "path:./": sorted(SHOP.rebuildable),
}


@pytest.mark.parametrize("word", sorted(set(DBT_LS) - DIFFERENT - REFUSED))
def test_a_word_selects_what_dbt_ls_selects(word):
    assert select(word) == sorted(DBT_LS[word])


@pytest.mark.parametrize(
    "word", sorted(word for word, nodes in SHOP_LS.items() if nodes is not None)
)
def test_a_word_selects_what_dbt_ls_selects_in_a_project_of_odd_names(word):
    assert select_in_shop(word) == DIFFERENT_IN_SHOP.get(word, SHOP_LS[word])


@pytest.mark.parametrize(
    "word", sorted(word for word in SHOP_LS.keys() - DIFFERENT_IN_SHOP if SHOP_LS[word] is None)
)
def test_what_dbt_refuses_is_refused(word):
    with pytest.raises(ValueError, match=re.escape(repr(word))):
        read_selector(word)


@pytest.mark.parametrize("word", sorted(DIFFERENT_IN_SHOP))
def test_a_difference_from_dbt_is_one(word):
    assert select_in_shop(word) == DIFFERENT_IN_SHOP[word] != SHOP_LS[word]


@pytest.mark.parametrize("word", sorted(REFUSED))
def test_a_word_that_relay_does_not_know_is_refused(word):
    with pytest.raises(ValueError, match=re.escape(repr(word))):
        read_selector(word)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("tags:crm", "unknown selector `tags:`; did you mean `tag:`? known are a name"),
        ("+materialized:table", "did you mean `config.materialized:`? known"),
        ("path.x:models", "unknown selector `path.x:`; did you mean `path:`? known"),
        ("resource_type:models", "unknown resource type; did you mean `model`? known are"),
        ("resource_type:mod*", "unknown resource type; known are"),
        ("resource_type:*", "unknown resource type; known are"),
    ],
)
def test_what_is_nearly_known_is_asked_about(word, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        read_selector(word)


@pytest.mark.parametrize(
    ("word", "instead"),
    [
        ("source:shop", "write the models that read the source, such as `stg_orders`"),
        ("source:shop.orders+", "(`stg_orders+` with everything downstream)"),
        ("state:modified+", "write the models that the sync reads"),
        ("result:error+", "write the models that the sync reads"),
        ("source_status:fresher+", "write the models that the sync reads"),
        ("version:latest", "write `customers.v2` for one version, `customers` for all"),
        ("access:public", "write `group:`, `tag:` or `path:`, or name the models"),
        ("config.meta.owner:crm", "write `group:`, `tag:` or `path:`, or name the models"),
        ("config.severity:warn", "write `group:`, `tag:` or `path:`, or name the models"),
        ("config.tags:crm", "write `tag:crm`"),
        ("config.group:finance", "write `group:finance`"),
        ("test_type:unit", "write the models that are tested"),
        ("test_name:unique", "write the models that are tested"),
        ("unit_test:a_test", "write the models that are tested"),
        ("metric:revenue", "write the models behind it, or `exposure:` with an exposure"),
        ("semantic_model:orders", "write the models behind it"),
        ("saved_query:weekly", "write the models behind it"),
        ("selector:nightly", "write what selectors.yml has for it, each selector as an item"),
        ("@customers", "write `customers+` for it and what reads it, `+customers+` with what it"),
        ("@tag:crm", "write `tag:crm+` for it and what reads it, `+tag:crm+` with what it reads"),
        ("@source:shop", "write the models that read the source"),
        ("customers,@orders", "write `orders+` for it and what reads it"),
        ("path:/models/marts", "write it from the project's root, such as `path:models/marts`"),
        ("/models/marts", "write it from the project's root, such as `path:models/marts`"),
        ("ref('customers')", "write the model's name, `customers`"),
        ('{{ ref("shop", "customers") }}', "write the model's name, `customers`"),
        ("+ref('customers', v=2)", "write the model's name, `customers.v2`"),
        ("{{ source('raw', 'orders') }}", "write the models that read the source"),
        ("model:customers", "write the name alone, `customers`"),
        ("ref:customers", "write the name alone, `customers`"),
        ("models\\marts", "write it with slashes, `path:models/marts`"),
        ("path:models\\a.sql", "write it with slashes, `path:models/a.sql`"),
        ("--select customers", "write the selectors alone"),
        ("tag:crm, tag:hr", "what two of them both select, no blank behind the comma"),
        ("tag:", "write for instance `customers` or `tag:crm`"),
        ("config.materialized:tab*", "write each materialization as an item of its own"),
        ("+config.materialized:*", "such as `config.materialized:table`"),
        ("exposure:a.b.c", "write `exposure:NAME` or `exposure:PACKAGE.NAME`"),
    ],
)
def test_a_refusal_says_what_to_write_instead(word, instead):
    with pytest.raises(ValueError, match=re.escape(instead)):
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


@pytest.mark.parametrize(
    "word",
    [
        *("tag:crm", "path:models/marts", "package:jaffle_crm", "package:this", "marts.finance"),
        *("customers.sql", "models/marts", "file:customers", "cust*", "marts.dim_accounts.v1"),
    ],
)
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
        ("two words", "write each selector as an item of its own"),
        ("tag:", "a name or value is missing"),
        ("+", "a name or value is missing"),
        ("tag:crm,", "a name or value is missing"),
        ("tag:+", "a name or value is missing"),
        ("color:blue", "unknown selector `color:`"),
        ("+color:blue", "unknown selector `color:`"),
        ("test_type:unit", "`test_type:` is not supported"),
        ("config.severity:warn", "`config.severity:` is not supported"),
        ("a;b", "write a model's name, such as `customers`, or one of dbt's selectors"),
        ("@customers", "the operator `@` is not supported"),
    ],
)
def test_what_is_no_selector_is_reported_as_such(word, said):
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


def test_package_this_selects_nothing_where_an_old_manifest_does_not_name_its_project():
    old = Lineage(SHOP.nodes)
    selection = Selection(old.rebuildable, old)
    assert not selection.selected([read_selector("package:this")])


def test_a_completed_lineage_knows_its_project():
    one = {"model.shop.orders": SHOP.nodes["model.shop.orders"]}
    assert Lineage(one).completed_by(SHOP) == SHOP


PRICES = ["model.shop.prices.v1.5", "model.shop.prices.vgold"]


class TestVersions:
    """A unique_id that ends in `.v2` may be a version's, or a name's with a dot."""

    @pytest.mark.parametrize(
        ("word", "without", "known"),
        [
            ("rates", ["model.shop.rates.v2"], []),
            ("rates_v2", ["model.shop.rates.v2"], []),
            ("model.shop.rates", ["model.shop.rates.v2"], []),
            ("rates.v2", ["model.shop.rates.v2"], ["model.shop.rates.v2"]),
            ("model.shop.rates.v2", ["model.shop.rates.v2"], ["model.shop.rates.v2"]),
            ("dim_accounts.v1", ["model.shop.dim_accounts.v1"], ["model.shop.dim_accounts.v1"]),
            ("dim_accounts_v1", ["model.shop.dim_accounts.v1"], ["model.shop.dim_accounts.v1"]),
            ("prices.vgold", [], ["model.shop.prices.vgold"]),
            ("prices", PRICES, PRICES),
            # a folder
            ("finance.v2", [], ["model.shop.ledger", "model.shop.vouchers"]),
            ("snapshot.daily.daily_orders", [], ["model.shop.daily_orders"]),
        ],
    )
    def test_the_manifest_decides_where_it_is_at_hand(self, word, without, known):
        selector = read_selector(word)
        assert sorted(Selection(SHOP.rebuildable).selected_by(selector)) == without
        assert sorted(Selection(SHOP.rebuildable, SHOP).selected_by(selector)) == known

    @pytest.mark.parametrize(
        ("word", "needs"),
        [
            ("dim_accounts", False),
            ("dim_accounts.v2", False),
            ("dim_accounts_v2", False),
            ("dim_accounts.v2_beta", False),
            ("finance.vat_rates", True),
            ("shop.marts.dim_vendor", True),
            ("marts.dim_accounts.v1", True),
        ],
    )
    def test_a_name_with_its_version_needs_no_manifest(self, word, needs):
        assert read_selector(word).needs_manifest is needs

    def test_a_node_missing_from_the_manifest_is_identified_by_its_unique_id(self):
        selection = Selection(["model.shop.new.v1"], SHOP)
        assert selection.selected([read_selector("new")]) == {"model.shop.new.v1"}
