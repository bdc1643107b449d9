"""dbt exposures for the mapped syncs, and the mapping that is read back from them."""

import json
import re

import pytest
import yaml
from entries import HOSTILE
from mappings import mapping_text, sync_entry

from relay.census.exposures import ExposedSync, Owner, exposures_text
from relay.census.mapping_text import Form
from relay.dbt.manifest import Lineage
from relay.dbt.nodes import Node
from relay.dbt.project import read_project
from relay.decision.mapping_reader import read_mapping
from relay.operations.mapping_to_exposures import entries_of_exposures, write_exposures

TEAM = Owner("data team", None)
NODES = {
    node.unique_id: node
    for node in (
        Node("model.shop.customers", name="customers", package_name="shop"),
        Node("model.shop.accounts.v2", name="accounts", package_name="shop", version=2),
        Node("model.shop.rates.vlast", name="rates", package_name="shop", version="last"),
        Node("seed.crm.plans", name="plans", package_name="crm"),
        Node("model.shop.secret", name="secret", package_name="shop"),
    )
}
LINEAGE = Lineage(NODES, "shop")
BY_HAND = {
    "unique_id": "exposure.shop.by_hand",
    "name": "by_hand",
    "package_name": "shop",
    "depends_on": {"nodes": ["model.shop.customers"]},
    "meta": {"census": {"sync_id": 5}},
}


def exposed(sync_id=5123, *nodes, label="customers to CRM", workspace="default"):
    url = f"https://app.getcensus.com/syncs/{sync_id}"
    return ExposedSync(
        key=(workspace, sync_id), label=label, nodes=nodes or ("model.shop.customers",), url=url
    )


def written(*syncs, lineage=LINEAGE, owner=TEAM, **others):
    return yaml.safe_load(exposures_text(syncs, lineage, owner, **others))["exposures"]


def test_an_exposure_has_all_that_dbt_wants_of_it():
    assert written(exposed(workspace="emea"), owner=Owner("CRM", "crm@example.com")) == [
        {
            "name": "customers_to_crm",
            "label": "customers to CRM",
            "type": "application",
            "description": "Census sync emea/5123.",
            "url": "https://app.getcensus.com/syncs/5123",
            "owner": {"name": "CRM", "email": "crm@example.com"},
            "config": {
                "meta": {"census": {"sync_id": 5123, "workspace": "emea", "generated_by": "relay"}}
            },
            "depends_on": ["ref('customers')"],
        }
    ]


@pytest.mark.parametrize(
    ("unique_id", "ref"),
    [
        ("model.shop.customers", "ref('customers')"),
        ("model.shop.accounts.v2", "ref('accounts', v=2)"),
        ("model.shop.rates.vlast", "ref('rates', v='last')"),
        ("seed.crm.plans", "ref('crm', 'plans')"),
    ],
)
def test_a_node_is_referred_to_as_dbt_knows_it(unique_id, ref):
    assert written(exposed(1, unique_id))[0]["depends_on"] == [ref]


def test_without_the_projects_name_every_package_is_named():
    sync = exposed(1, "model.shop.customers", "seed.crm.plans")
    assert written(sync, lineage=Lineage(NODES))[0]["depends_on"] == [
        "ref('shop', 'customers')",
        "ref('crm', 'plans')",
    ]


def test_a_private_model_is_only_named_in_a_comment():
    sync = exposed(1, "model.shop.customers", "model.shop.secret")
    text = exposures_text([sync], LINEAGE, TEAM, private={"model.shop.secret"})
    assert yaml.safe_load(text)["exposures"][0]["depends_on"] == ["ref('customers')"]
    assert "# model.shop.secret is private" in text
    alone = exposed(1, "model.shop.secret")
    assert written(alone, private={"model.shop.secret"})[0]["depends_on"] == []


def test_names_are_dbts_and_each_is_there_once():
    labels = [*HOSTILE.values(), "a", "A", "a!", "a 5", None, "weekly kpis", "42"]
    syncs = [exposed(number, label=label) for number, label in enumerate(labels, 1)]
    syncs += [exposed(1, label="a", workspace="E mea"), exposed(1, label="a", workspace="e-mea")]
    exposures = written(*syncs, taken={"weekly_kpis", f"a_{len(HOSTILE) + 1}"})
    names = [one["name"] for one in exposures]
    assert len(set(names)) == len(names)
    assert not {"weekly_kpis", f"a_{len(HOSTILE) + 1}"} & set(names)
    assert [name for name in names if not re.fullmatch("[a-z][a-z0-9_]{0,130}", name)] == []


def test_no_syncs_are_a_file_that_dbt_reads():
    assert written() == []


def test_dbt_finds_no_template_in_a_text():
    text = exposures_text([exposed(label="{{ x }} {% y %} {# z #}")], LINEAGE, TEAM)
    assert not re.search(r"\{[{%#]", text)


class TestThereAndBack:
    MAPPING = read_mapping(
        mapping_text(
            sync_entry(1, "customers", name="Customers"),
            sync_entry(2, "customers", "seed.crm.plans", name="Customers"),
            sync_entry(1, "exposure:by_hand", name="of emea", workspace="emea"),
            sync_entry(3, "package:crm"),
            sync_entry(4, "unknown"),
            sync_entry(5, "customers"),
            workspaces={"emea": {"api_key_env": "CENSUS_API_KEY_EMEA"}},
        ).encode(),
        file="syncs.yml",
    )

    def test_from_manifest_reads_the_same_syncs(self):
        first = self.project([])
        result = write_exposures(first, self.MAPPING, TEAM, census_url="https://census.example")
        assert result.left_out == (
            "sync 4: its `depends_on` selects nothing in this project",
            "sync 5: exposure.shop.by_hand names it already",
        )
        second = self.project(yaml.safe_load(result.text)["exposures"])
        entries, problems = entries_of_exposures(second, self.MAPPING)
        assert problems == ()
        assert {entry.key for entry in entries} == {
            sync.key for sync in self.MAPPING.syncs if sync.sync_id != 4
        }
        assert all(entry.form is Form.ACTIVE for entry in entries)
        again = write_exposures(second, self.MAPPING, TEAM, census_url="https://census.example")
        assert again.text == result.text

    def test_a_private_model_is_told(self):
        secret = {
            "model.shop.customers": {"unique_id": "model.shop.customers", "access": "private"}
        }
        project = read_project(json.dumps({"nodes": secret}).encode())
        mapping = mapping_text(sync_entry(5, "model.shop.customers")).encode()
        result = write_exposures(
            project, read_mapping(mapping, file="x"), TEAM, census_url="https://census.example"
        )
        assert result.left_out == ("model.shop.customers of sync 5: it is private",)

    def test_the_page_is_that_of_the_workspace(self):
        result = write_exposures(
            self.project([]), self.MAPPING, TEAM, census_url="https://census.example"
        )
        urls = [one["url"] for one in yaml.safe_load(result.text)["exposures"]]
        assert urls == [
            "https://census.example/syncs/1",
            "https://census.example/syncs/2",
            "https://app.getcensus.com/syncs/1",
            "https://census.example/syncs/3",
        ]

    def project(self, exposures):
        """The project with these exposures, as dbt would write it down."""
        nodes = {
            key: {"unique_id": key, "name": node.name, "package_name": node.package_name}
            for key, node in NODES.items()
        }
        known = {f"exposure.shop.{one['name']}": self.as_dbt_writes(one) for one in exposures}
        sections = {
            "metadata": {"project_name": "shop"},
            "nodes": nodes,
            "exposures": {"exposure.shop.by_hand": BY_HAND, **known},
        }
        return read_project(json.dumps(sections).encode())

    @staticmethod
    def as_dbt_writes(exposure):
        names = [re.findall(r"'(\w+)'", ref)[-1] for ref in exposure["depends_on"]]
        nodes = [key for key, node in NODES.items() if node.name in names]
        return {
            **exposure,
            "unique_id": f"exposure.shop.{exposure['name']}",
            "package_name": "shop",
            "depends_on": {"nodes": nodes},
        }


class TestWhatExposuresPropose:
    @staticmethod
    def entries(exposures, workspaces=()):
        sections = {
            "nodes": {"model.shop.customers": {"unique_id": "model.shop.customers"}},
            "exposures": {
                f"exposure.{one['package_name']}.{one['name']}": {
                    "unique_id": f"exposure.{one['package_name']}.{one['name']}",
                    "depends_on": {"nodes": ["model.shop.customers"]},
                    **one,
                }
                for one in exposures
            },
        }
        project = read_project(json.dumps(sections).encode())
        given = {name: {"api_key_env": "CENSUS_API_KEY"} for name in workspaces}
        text = mapping_text(sync_entry(9, "a"), workspaces=given)
        return entries_of_exposures(project, read_mapping(text.encode(), file="x"))

    @staticmethod
    def one(name, sync_id, package="shop", **fields):
        meta = {"census": {"sync_id": sync_id, **fields.pop("census", {})}}
        return {"name": name, "package_name": package, "meta": meta, **fields}

    def test_a_sync_follows_its_exposure(self):
        ((entry,), _) = self.entries([self.one("a", 5, label="A to CRM")])
        assert (entry.sync_id, entry.name) == (5, "A to CRM")
        assert entry.depends_on == ("exposure:a",)

    def test_a_name_that_two_packages_have_is_named_with_its_package(self):
        entries, _ = self.entries([self.one("a", 5), self.one("a", 6, "crm")])
        assert [entry.depends_on for entry in entries] == [
            ("exposure:shop.a",),
            ("exposure:crm.a",),
        ]

    def test_a_sync_of_several_exposures_follows_all(self):
        ((entry,), _) = self.entries([self.one("a", 5), self.one("b", 5)])
        assert entry.depends_on == ("exposure:a", "exposure:b")

    def test_a_workspace_that_nobody_knows_is_for_a_person(self):
        emea = self.one("a", 5, census={"workspace": "emea"})
        ((entry,), _) = self.entries([emea])
        assert entry.form is Form.COMMENTED
        ((entry,), _) = self.entries([emea], ["emea"])
        assert entry.form is Form.ACTIVE

    def test_an_exposure_of_nothing_that_is_built_is_for_a_person(self):
        of_sources = self.one("a", 5, depends_on={"nodes": ["source.shop.raw.orders"]})
        ((entry,), _) = self.entries([of_sources])
        assert entry.form is Form.COMMENTED

    def test_an_id_that_is_none_is_a_problem(self):
        entries, problems = self.entries([self.one("a", "x")])
        assert entries == []
        assert problems == ("exposure.shop.a: meta.census.sync_id is 'x', which is no sync's id",)
