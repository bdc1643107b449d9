"""What selects one node of a project alone."""

import json

import pytest

from relay.dbt.project import Project, read_project


def node(package, name, **fields):
    return {
        "unique_id": f"model.{package}.{name}",
        "name": name,
        "package_name": package,
        "relation_name": f'"d"."{package}"."{name}"',
        **fields,
    }


def project(*nodes):
    return read_project(json.dumps({"nodes": {one["unique_id"]: one for one in nodes}}).encode())


SHOP = project(
    node("shop", "customers"),
    node("shop", "plans"),
    node("crm", "plans"),
    node("shop", "accounts", unique_id="model.shop.accounts.v1", version=1),
    node("shop", "accounts", unique_id="model.shop.accounts.v2", version=2),
)


@pytest.mark.parametrize(
    ("unique_id", "selector"),
    [
        ("model.shop.customers", "customers"),
        ("model.shop.plans", "model.shop.plans"),
        ("model.crm.plans", "model.crm.plans"),
        ("model.shop.accounts.v2", "model.shop.accounts.v2"),
        ("model.shop.unknown", "model.shop.unknown"),
    ],
)
def test_a_name_selects_a_node_where_it_is_the_only_one_of_that_name(unique_id, selector):
    assert SHOP.selector_of(unique_id) == selector


def test_of_several_projects_a_name_may_be_no_longer_the_only_one():
    other = project(node("billing", "customers"))
    assert Project.together([SHOP, other]).selector_of("model.shop.customers") == (
        "model.shop.customers"
    )
