"""What a manifest says of the tables and views that nodes build."""

import json

import pytest

from relay.dbt.description import read_description
from relay.dbt.relations import Relation, Relations, read_relation, relations_of
from relay.errors import BadArtifact


def manifest(nodes, sources=()):
    return json.dumps({"nodes": dict(nodes), "sources": dict(sources)}).encode()


def read_relations(body, **known):
    return relations_of(read_description(body), **known)


def node(relation_name, **fields):
    return {"name": "customers", "relation_name": relation_name, **fields}


@pytest.mark.parametrize(
    ("written", "relation"),
    [
        ('"analytics"."marts"."customers"', ("analytics", "marts", "customers")),
        ("ANALYTICS.MARTS.CUSTOMERS", ("ANALYTICS", "MARTS", "CUSTOMERS")),
        ('ANALYTICS.MARTS."Customers"', ("ANALYTICS", "MARTS", "Customers")),
        ("`my-project`.`marts`.`customers`", ("my-project", "marts", "customers")),
        ("`my-project.marts.customers`", ("my-project", "marts", "customers")),
        ("`main`.`marts`.`customers`", ("main", "marts", "customers")),
        ("[analytics].[marts].[customers]", ("analytics", "marts", "customers")),
        ('"analytics"."marts"."with.dots"', ("analytics", "marts", "with.dots")),
        ('"analytics"."marts"."the ""best"""', ("analytics", "marts", 'the "best"')),
        ("[analytics].[marts].[a]]b]", ("analytics", "marts", "a]b")),
        ("`marts`.`a``b`", (None, "marts", "a`b")),
        ("marts.customers", (None, "marts", "customers")),
        ("customers", (None, None, "customers")),
        ('"analytics" . "marts" . "customers"', ("analytics", "marts", "customers")),
        ('"Größe"."schön"."ünïcode"', ("Größe", "schön", "ünïcode")),
    ],
)
def test_the_quotation_marks_of_every_warehouse_come_off(written, relation):
    assert read_relation(written) == Relation(*relation)


@pytest.mark.parametrize(
    "written", ["", ".", "a.", ".a", "a..b", "a.b.c.d", '"a', 'a"b"', "a b", '""', "select 1"]
)
def test_what_is_no_name_of_a_relation_is_none(written):
    assert read_relation(written) is None


def test_models_seeds_and_snapshots_are_found_by_what_they_build_whatever_its_case():
    body = manifest(
        {
            "model.shop.customers": node('"analytics"."marts"."customers"'),
            "seed.shop.plans": node('"analytics"."raw"."plans"'),
            "snapshot.shop.history": node('"analytics"."snapshots"."history"'),
            "test.shop.unique": node('"analytics"."tests"."unique"'),
        }
    )
    relations = read_relations(body)
    found = relations.building(Relation("ANALYTICS", "Marts", "CUSTOMERS"))
    assert [one.unique_id for one in found] == ["model.shop.customers"]
    assert len(relations.built) == 3


def test_of_names_that_differ_by_case_alone_the_one_spelled_like_it_is_meant():
    body = manifest({"model.a.x": node('"d"."s"."Users"'), "model.a.y": node('"d"."s"."users"')})
    relations = read_relations(body)
    assert [one.unique_id for one in relations.building(Relation("d", "s", "users"))] == [
        "model.a.y"
    ]
    assert len(relations.building(Relation("D", "S", "USERS"))) == 2


@pytest.mark.parametrize("extra", [{"config": {"materialized": "ephemeral"}}, {}])
def test_an_ephemeral_model_builds_nothing_and_has_a_name(extra):
    written = '"d"."s"."customers"' if extra else None
    relations = read_relations(manifest({"model.shop.customers": node(written, **extra)}))
    assert relations.built == ()
    assert relations.named == {"customers": ("model.shop.customers",)}


def test_a_source_is_known_as_what_dbt_only_reads():
    body = manifest({}, {"source.shop.raw.orders": node('"raw"."shop"."orders"')})
    relations = read_relations(body)
    assert relations.source_of(Relation("RAW", "SHOP", "ORDERS")) == "source.shop.raw.orders"
    assert relations.building(Relation("RAW", "SHOP", "ORDERS")) == ()


def test_several_manifests_are_one_and_say_the_same_once():
    ours = manifest({"model.a.x": node('"d"."s"."x"')})
    theirs = manifest({"model.b.x": node('"d"."s"."x"')})
    parts = (read_relations(body, environment_id=7) for body in (ours, ours, theirs))
    relations = Relations.together(parts)
    assert [one.unique_id for one in relations.building(Relation("d", "s", "x"))] == [
        "model.a.x",
        "model.b.x",
    ]
    assert relations.named == {"customers": ("model.a.x", "model.b.x")}


def test_what_is_no_manifest_is_refused():
    with pytest.raises(BadArtifact):
        read_relations(b"[]")
