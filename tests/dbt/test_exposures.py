"""The exposures of a manifest that stand for syncs of Census."""

import json

import pytest

from relay.dbt.description import read_description
from relay.dbt.exposures import Exposures, exposures_of


def manifest(exposures, nodes=()):
    return json.dumps({"nodes": dict(nodes), "exposures": exposures}).encode()


def read_exposures(body):
    return exposures_of(read_description(body))


def exposure(name="sync", **fields):
    return {"name": name, "package_name": "shop", **fields}


def read_one(**fields):
    (found,) = read_exposures(manifest({"exposure.shop.sync": exposure(**fields)})).of_syncs
    return found


@pytest.mark.parametrize(
    "fields",
    [
        {"meta": {"census": {"sync_id": 5123, "workspace": "emea"}}},
        {"config": {"meta": {"census": {"sync_id": 5123, "workspace": "emea"}}}},
        {"meta": {"census": {"sync_id": "5123", "workspace": "emea"}}},
        {"meta": {}, "config": {"meta": {"census": {"sync_id": 5123, "workspace": "emea"}}}},
        {"meta": {"census": {"sync_id": 5123, "workspace": "emea"}}, "config": {"enabled": True}},
    ],
)
def test_an_exposure_names_its_sync_wherever_dbt_keeps_meta(fields):
    found = read_one(**fields)
    assert (found.sync_id, found.workspace) == (5123, "emea")
    assert not found.is_generated


@pytest.mark.parametrize(
    "meta", [None, {}, [], "x", {"census": None}, {"census": 5}, {"census": {"id": 5}}, {"x": 1}]
)
def test_another_exposure_names_none(meta):
    assert read_exposures(manifest({"exposure.shop.sync": exposure(meta=meta)})).of_syncs == ()


@pytest.mark.parametrize("written", ["x", 0, -5, 1.5, True, None, [1], "12a", 2**63, "1" * 5000])
def test_what_is_no_id_is_kept_to_be_named(written):
    found = read_one(meta={"census": {"sync_id": written}})
    assert found.sync_id is None
    assert found.written == str(written)


def test_one_that_relay_wrote_is_known_and_its_name_is_free():
    generated = exposure("ours", meta={"census": {"sync_id": 1, "generated_by": "relay"}})
    body = manifest({"exposure.shop.ours": generated, "exposure.shop.theirs": exposure("theirs")})
    exposures = read_exposures(body)
    assert [one.is_generated for one in exposures.of_syncs] == [True]
    assert exposures.names == {"theirs"}


def test_the_private_models_are_known():
    nodes = {
        "model.shop.a": {"access": "private"},
        "model.shop.b": {"config": {"access": "private"}},
        "model.shop.c": {"access": "protected", "config": {"access": "protected"}},
        "seed.shop.d": {},
    }
    assert read_exposures(manifest({}, nodes)).private == {"model.shop.a", "model.shop.b"}


def test_a_manifest_without_exposures_has_none():
    assert read_exposures(b'{"nodes": {}}') == Exposures((), frozenset(), frozenset())
    assert Exposures.together([]) == Exposures((), frozenset(), frozenset())
