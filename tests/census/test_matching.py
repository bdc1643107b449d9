"""Which nodes of dbt build what a sync reads, and how sure that is."""

import pytest

from relay.census.matching import Certainty, dataset_to_read, match_source
from relay.census.objects import Dataset
from relay.census.syncs import (
    CohortSource,
    DatasetSource,
    ModelSource,
    OtherSource,
    SegmentSource,
    TableSource,
)
from relay.dbt.relations import BuiltRelation, Relation, Relations

EXACT, GUESS, ASK, NONE = Certainty.EXACT, Certainty.GUESS, Certainty.ASK, Certainty.NONE


def built(name, relation, environment_id=None):
    return BuiltRelation(name, Relation(*relation.split(".")), environment_id)


RELATIONS = Relations(
    built=(
        built("model.shop.customers", "analytics.marts.customers"),
        built("model.shop.orders", "analytics.marts.orders"),
        built("seed.shop.plans", "analytics.raw.plans"),
        built("snapshot.shop.history", "analytics.snapshots.history"),
        built("model.shop.shared", "analytics.common.shared"),
        built("model.billing.shared", "analytics.common.shared"),
        built("model.shop.twice", "analytics.marts.twice", 1),
        built("model.shop.twice", "analytics.marts.twice", 2),
    ),
    named={
        "customers": ("model.shop.customers",),
        "shared": ("model.shop.shared", "model.billing.shared"),
        "wide": ("model.shop.wide",),
    },
    sources={"source.shop.raw.events": Relation("analytics", "raw", "events")},
)


def table(catalog, schema, name):
    return TableSource(catalog, schema, name)


def dataset(query, name="d"):
    return Dataset(dataset_id=7, name=name, type="sql", source_id=4, query=query)


def model(query=None, compiled_query=None, name="wide", dataset_id=None):
    return ModelSource(
        model_id=5, name=name, query=query, compiled_query=compiled_query, dataset_id=dataset_id
    )


TABLES = {
    "a model's, in Snowflake's case": (
        table("ANALYTICS", "MARTS", "CUSTOMERS"), EXACT, ["model.shop.customers"],
        "model.shop.customers builds ANALYTICS.MARTS.CUSTOMERS",
    ),
    "a seed's": (table("analytics", "raw", "plans"), EXACT, ["seed.shop.plans"], "builds"),
    "a snapshot's": (
        table("analytics", "snapshots", "history"), EXACT, ["snapshot.shop.history"], "builds",
    ),
    "of two projects": (
        table("analytics", "common", "shared"), ASK,
        ["model.shop.shared", "model.billing.shared"], "all build analytics.common.shared",
    ),
    "of two environments": (
        table("analytics", "marts", "twice"), EXACT, ["model.shop.twice"],
        "in several environments of dbt: 1 and 2",
    ),
    "another catalog": (
        table("staging", "marts", "customers"), ASK, ["model.shop.customers"],
        "perhaps model.shop.customers, which builds analytics.marts.customers",
    ),
    "no catalog": (table(None, "marts", "customers"), ASK, ["model.shop.customers"], "perhaps"),
    "no schema": (table(None, None, "customers"), ASK, ["model.shop.customers"], "perhaps"),
    "another schema": (
        table("analytics", "other", "customers"), NONE, [],
        "no node of dbt builds analytics.other.customers",
    ),
    "a source of dbt": (
        table("analytics", "raw", "events"), NONE, [],
        "source.shop.raw.events, which dbt only reads",
    ),
}  # fmt: skip
QUERIES = {
    "one table": (
        "select * from analytics.marts.customers", GUESS, ["model.shop.customers"],
        "reads analytics.marts.customers",
    ),
    "several": (
        "select * from analytics.marts.customers join ANALYTICS.MARTS.ORDERS using (id)", GUESS,
        ["model.shop.customers", "model.shop.orders"], "ANALYTICS.MARTS.ORDERS",
    ),
    "without the connection's catalog": (
        "select * from marts.customers", GUESS, ["model.shop.customers"], "marts.customers",
    ),
    "a name alone": ("select * from customers", ASK, ["model.shop.customers"], "perhaps"),
    "also what dbt does not build": (
        "select * from analytics.marts.customers join crm.public.leads using (id)", GUESS,
        ["model.shop.customers"], "no node of dbt builds crm.public.leads",
    ),
    "only what dbt does not build": (
        "select * from crm.public.leads", NONE, [], "no node of dbt builds crm.public.leads",
    ),
    "of two projects": (
        "select * from analytics.common.shared", ASK,
        ["model.shop.shared", "model.billing.shared"], "say which",
    ),
    "a template": ("select * from {{ x }}", ASK, [], "it is a template"),
    "no table": ("select 1", NONE, [], "reads no table"),
    "only a function": ("select * from table(f(1))", ASK, [], "which relay cannot look into"),
}  # fmt: skip


@pytest.mark.parametrize(("source", "certainty", "nodes", "because"), TABLES.values(), ids=TABLES)
def test_a_table_is_matched_exactly_or_not_at_all(source, certainty, nodes, because):
    match = match_source(source, RELATIONS)
    assert (match.certainty, list(match.nodes)) == (certainty, nodes)
    assert because in match.because


@pytest.mark.parametrize(("sql", "certainty", "nodes", "because"), QUERIES.values(), ids=QUERIES)
@pytest.mark.parametrize(
    "source", [DatasetSource(7), SegmentSource(3, 7), CohortSource(2, 7), model(dataset_id=7)]
)
def test_sql_is_a_guess_at_best(source, sql, certainty, nodes, because):
    match = match_source(source, RELATIONS, dataset=dataset(sql), source_type="snowflake")
    assert (match.certainty, list(match.nodes)) == (certainty, nodes)
    assert because in match.because


def test_a_saved_query_is_matched_by_its_own_sql():
    match = match_source(model("select * from analytics.marts.orders"), RELATIONS)
    assert (match.certainty, match.nodes) == (GUESS, ("model.shop.orders",))


@pytest.mark.parametrize(
    ("name", "compiled", "certainty", "nodes"),
    [
        ("wide", "select * from analytics.marts.orders", GUESS, ["wide", "orders"]),
        ("customers", "select * from analytics.marts.customers", GUESS, ["customers"]),
        ("wide", "select * from crm.public.leads", GUESS, ["wide"]),
        ("wide", "select {{ x }}", ASK, ["wide"]),
        ("unknown", "select * from analytics.marts.orders", GUESS, ["orders"]),
        ("unknown", "select * from crm.public.leads", NONE, []),
        (None, "select * from analytics.marts.orders", GUESS, ["orders"]),
    ],
)
def test_a_dbt_model_of_census_is_what_has_its_name_and_what_it_reads(
    name, compiled, certainty, nodes
):
    match = match_source(model("select …", compiled, name), RELATIONS)
    assert (match.certainty, list(match.nodes)) == (
        certainty,
        [f"model.shop.{node}" for node in nodes],
    )


def test_a_dbt_model_whose_name_several_projects_have_is_for_a_person():
    match = match_source(model(None, "select * from analytics.marts.orders", "shared"), RELATIONS)
    assert match.certainty is ASK
    assert match.nodes == ("model.shop.shared", "model.billing.shared", "model.shop.orders")


@pytest.mark.parametrize("source", [DatasetSource(7), SegmentSource(3, None), CohortSource(2, 7)])
def test_a_dataset_that_could_not_be_read_is_for_a_person(source):
    match = match_source(source, RELATIONS)
    assert (match.certainty, match.nodes) == (ASK, ())
    assert f"Census did not show the SQL of {source}" in match.because


def test_a_dataset_without_sql_suggests_the_node_of_its_name():
    match = match_source(DatasetSource(7), RELATIONS, dataset=dataset(None, "customers"))
    assert (match.certainty, match.nodes) == (ASK, ("model.shop.customers",))


@pytest.mark.parametrize("source", [OtherSource("topic"), OtherSource(None)])
def test_another_source_has_no_match(source):
    assert match_source(source, RELATIONS).certainty is NONE


@pytest.mark.parametrize(
    ("source", "dataset_id"),
    [
        (DatasetSource(7), 7),
        (SegmentSource(3, 7), 7),
        (SegmentSource(3, None), None),
        (CohortSource(2, 7), 7),
        (model(dataset_id=7), 7),
        (model("select 1", dataset_id=7), None),
        (model(None, "select 1", dataset_id=7), None),
        (table("a", "b", "c"), None),
        (OtherSource("topic"), None),
    ],
)
def test_only_a_source_without_its_own_sql_needs_its_dataset(source, dataset_id):
    assert dataset_to_read(source) == dataset_id


def test_a_reason_is_one_printable_line_of_bounded_length():
    query = f'select * from a.b."x\n# {"y" * 9000}\u202e" join a.b.c on true'
    match = match_source(DatasetSource(7), RELATIONS, dataset=dataset(query))
    assert match.because.isprintable()
    assert len(match.because) <= 1000


def test_the_relations_that_no_node_builds_are_named():
    query = "select * from analytics.marts.orders, crm.public.leads, crm.public.deals"
    match = match_source(DatasetSource(7), RELATIONS, dataset=dataset(query))
    assert match.not_built == ("crm.public.leads", "crm.public.deals")


ENVIRONMENTS = Relations(
    built=(
        built("model.shop.customers", "analytics.marts.customers", 30),
        built("model.shop.customers", "analytics.staging.customers", 20),
        built("model.shop.customers", "analytics.dev.customers", 10),
        built("model.shop.orders", "analytics.marts.orders", 30),
        built("model.shop.orders", "analytics.marts.orders", 20),
    ),
    named={},
    sources={},
)


@pytest.mark.parametrize(
    ("source", "environments"),
    [
        (table("ANALYTICS", "MARTS", "CUSTOMERS"), (30,)),
        (table("analytics", "staging", "customers"), (20,)),
        (table("analytics", "marts", "orders"), ()),
        (model("select * from analytics.dev.customers join marts.orders using (id)"), (10,)),
        (model("select * from dev.customers union select * from staging.customers"), (10, 20)),
    ],
)
def test_only_the_environments_that_build_what_is_read_count(source, environments):
    """A run of production does not rebuild the table that a sync reads in staging."""
    assert match_source(source, ENVIRONMENTS).environments == environments


def test_environments_that_are_not_known_limit_nothing():
    relations = Relations(
        built=(
            built("model.shop.customers", "analytics.marts.customers", 30),
            built("model.shop.customers", "analytics.staging.customers"),
        ),
        named={},
        sources={},
    )
    assert match_source(table("analytics", "marts", "customers"), relations).environments == ()
