"""What a step may have executed and tested, by its command: rather too many than too few."""

import gzip
from pathlib import Path

import pytest

from relay.dbt.command_selection import may_have_executed, may_have_tested
from relay.dbt.manifest import Lineage, read_manifest
from relay.dbt.nodes import Config, DependsOn, Node
from relay.dbt.runs import ERROR, Step

SHOP = read_manifest(
    gzip.decompress(
        (Path(__file__).parents[1] / "dbt_selectors" / "recorded" / "manifest.json.gz").read_bytes()
    )
)
STG, ORDERS, KPIS = "model.shop.stg", "model.shop.orders", "exposure.shop.kpis"
LEADS = "model.crm.leads"
OF_ORDERS, OF_BOTH, UNIT = "test.shop.of_orders", "test.shop.of_both", "unit_test.shop.orders.unit"
ALL_TESTS = {OF_ORDERS, OF_BOTH, UNIT}


def node(unique_id, *reads, materialized=None, folder="models", **fields):
    _, package, name = unique_id.split(".", 2)
    return Node(
        unique_id,
        name=name,
        package_name=package,
        path=f"{folder}/{name}.sql",
        fqn=(package, folder, name),
        config=Config(materialized=materialized),
        depends_on=DependsOn(reads),
        **fields,
    )


NODES = (
    node(STG, materialized="view", folder="models/staging"),
    node(ORDERS, STG, materialized="table", tags=("nightly",)),
    node("seed.shop.countries", materialized="seed", folder="seeds"),
    node(LEADS, materialized="table", folder="models/crm"),
    node(KPIS, ORDERS),
    node(OF_ORDERS, ORDERS, attached_node=ORDERS),
    node(OF_BOTH, STG, ORDERS, attached_node=STG),
    node(UNIT, ORDERS, folder="models.orders"),
)
PROJECT = Lineage({one.unique_id: one for one in NODES}, "shop")
EVERYTHING = {STG, ORDERS, "seed.shop.countries", LEADS}


def step(command):
    return Step(index=5, name="", status=ERROR, command=command)


def executed(command, project=PROJECT):
    return may_have_executed(step(command), project)


def checked(command):
    return may_have_tested(step(command), PROJECT)


class TestExcluded:
    @pytest.mark.parametrize(
        "words",
        [
            "exposure:kpis",  # for dbt the exposure alone, for a sync what it depends on
            "exposure:kpis,orders",
            "exposure:shop.*",
            "config.materialized:tab*",  # compared as a whole word
            "config.materialized:*",
            "resource_type:mod*",
            "resource_type:*",
            "model.shop.orders",  # dbt knows no unique_ids
            "state:modified",
            "source:raw",
            "@orders",
            "path:models",  # holds models of a package, which dbt may not find there
            "path:models/crm",
            "",
        ],
    )
    def test_is_nothing_that_dbt_may_not_exclude(self, words):
        assert executed(f"dbt build --exclude {words}") == EVERYTHING

    @pytest.mark.parametrize(
        "words",
        [
            *("orders", "ord*", "tag:nightly", "fqn:orders", "shop.models.orders", "orders.sql"),
            *(
                "config.materialized:table,package:shop",
                "1+exposure:kpis",
                "path:models/orders.sql",
            ),
            *("stg+1,orders", "state:modified orders", "exposure:kpis orders"),
        ],
    )
    def test_is_what_dbt_excludes(self, words):
        assert EVERYTHING - executed(f"dbt build --exclude {words}") == {ORDERS}

    def test_is_nothing_below_a_path_where_the_projects_own_package_is_not_known(self):
        unnamed = Lineage(PROJECT.nodes)
        assert executed("dbt build --exclude path:models/staging") == EVERYTHING - {STG}
        assert executed("dbt build --exclude path:models/staging", unnamed) == EVERYTHING

    def test_is_no_version_by_the_unique_id_of_all(self):
        version = "model.shop.dim_accounts.v1"
        assert version in executed("dbt build --exclude model.shop.dim_accounts", SHOP)
        assert version not in executed("dbt build --exclude dim_accounts", SHOP)


class TestSelected:
    @pytest.mark.parametrize(
        ("words", "expected"),
        [
            ("-s orders", {ORDERS}),
            ("-s state:modified", EVERYTHING),
            ("-s orders state:modified", EVERYTHING),
            ("--selector nightly", EVERYTHING),
            ("--selector nightly -s orders", EVERYTHING),  # dbt ignores the words beside it
            ("--selector nightly --exclude orders", EVERYTHING),
            ("-s exposure:kpis", {ORDERS}),
            ("--resource-type model", EVERYTHING - {"seed.shop.countries"}),
            ("--resource-type model seed", EVERYTHING),
            ("--resource-type all", EVERYTHING),
            ("--exclude-resource-types seed test", EVERYTHING - {"seed.shop.countries"}),
        ],
    )
    def test_is_what_the_words_may_mean(self, words, expected):
        assert executed(f"dbt build {words}") == expected


class TestTests:
    @pytest.mark.parametrize(
        ("command", "expected"),
        [
            ("dbt test", ALL_TESTS),
            ("dbt build", ALL_TESTS),
            ("dbt retry", ALL_TESTS),
            ("dbt run", set()),
            ("dbt seed", set()),
            ("dbt test -s stg", {OF_BOTH}),
            ("dbt test -s orders", ALL_TESTS),
            ("dbt test -s of_orders", {OF_ORDERS}),
            ("dbt test -s leads", set()),
            ("dbt test -s test_type:singular", ALL_TESTS),
            ("dbt test --selector nightly -s leads", ALL_TESTS),
            ("dbt test --exclude orders", {OF_BOTH}),  # with `cautious` it runs
            ("dbt test --exclude orders stg", set()),
            ("dbt test --exclude orders stg --indirect-selection empty", ALL_TESTS),
            ("dbt --indirect-selection=empty test --exclude orders stg of_both", {OF_ORDERS, UNIT}),
            ("dbt test --exclude of_orders", {OF_BOTH, UNIT}),
            ("dbt test --exclude test_type:unit", ALL_TESTS),
            ("dbt build --resource-type model", set()),
            ("dbt build --resource-type model test", {OF_ORDERS, OF_BOTH}),
            ("dbt build --exclude-resource-type unit_test", {OF_ORDERS, OF_BOTH}),
            ("dbt test --resource-type unit_test", {UNIT}),
        ],
    )
    def test_are_those_of_what_is_selected(self, command, expected):
        assert checked(command) == expected
