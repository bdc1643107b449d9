"""A mapping out of what Census reads and dbt builds."""

from dataclasses import dataclass, field

import pytest

from relay.census.mapping_text import Form, file_text
from relay.census.objects import Dataset, Destination, Source
from relay.census.syncs import (
    CensusSync,
    CohortSource,
    DatasetSource,
    ModelSource,
    OtherSource,
    OwnTrigger,
    SegmentSource,
    StartedBy,
    SyncDestination,
    TableSource,
)
from relay.dbt.project import Project, read_project
from relay.decision.mapping_reader import read_mapping
from relay.errors import Rejected, Unavailable
from relay.operations.mapping_from_census import propose_mapping
from relay.sandbox.recordings import load

PROJECT = read_project(load("build").manifest)
BUILT = {one.unique_id: one.relation for one in PROJECT.relations.built}


def table(name):
    catalog, schema, name = BUILT[f"model.jaffle_crm.{name}"]
    return TableSource(catalog.upper(), schema.upper(), name.upper())


def reading(name):
    parts = BUILT[f"model.jaffle_crm.{name}"]
    return "select * from " + ".".join(f'"{part}"' for part in parts)


def sync(sync_id, source, label="a sync", **fields):
    fields = {"own_triggers": (), "is_paused": False, **fields}
    return CensusSync(
        sync_id=sync_id,
        label=label,
        status="Ready",
        operation="upsert",
        connection_id=4,
        source=source,
        destination=SyncDestination(9, "Contact"),
        **fields,
    )


@dataclass
class Reader:
    """A workspace of Census that answers with these."""

    answer: list
    datasets: dict = field(default_factory=dict)
    asked: list = field(default_factory=list)

    def syncs(self):
        return iter(self.answer)

    def sources(self):
        yield Source(source_id=4, name="snowflake_1", label="Warehouse", type="snowflake")

    def destinations(self):
        yield Destination(destination_id=9, name="Salesforce", type="salesforce")

    def dataset(self, dataset_id):
        self.asked.append(dataset_id)
        answer = self.datasets[dataset_id]
        if isinstance(answer, Exception):
            raise answer
        return Dataset(dataset_id=dataset_id, name="d", type="sql", source_id=4, query=answer)


def propose(*syncs, datasets=None):
    return propose_mapping({"default": Reader(list(syncs), datasets or {})}, PROJECT)


def test_every_kind_of_source_is_proposed_as_surely_as_it_is_known():
    model = ModelSource(model_id=5, name="fct_revenue", query="-", compiled_query=reading("orders"))
    entries = propose(
        sync(1, table("customers")),
        sync(2, DatasetSource(7)),
        sync(3, SegmentSource(1, 7)),
        sync(4, CohortSource(1, 8)),
        sync(5, model),
        sync(6, OtherSource("topic")),
        sync(7, table("customers"), own_triggers=(OwnTrigger(StartedBy.LIVE, ""),)),
        sync(8, TableSource("shop", "public", "leads")),
        datasets={7: reading("crm_orders"), 8: "select * from {{ x }}"},
    )
    assert [(entry.sync_id, entry.form, entry.depends_on) for entry in entries] == [
        (1, Form.ACTIVE, ("customers",)),
        (2, Form.ACTIVE, ("crm_orders",)),
        (3, Form.ACTIVE, ("crm_orders",)),
        (4, Form.COMMENTED, ()),
        (5, Form.ACTIVE, ("fct_revenue", "orders")),
        (6, Form.LEFT_OUT, ()),
        (7, Form.LEFT_OUT, ("customers",)),
        (8, Form.LEFT_OUT, ()),
    ]
    assert "live" in entries[6].reason
    assert "no node of dbt builds shop.public.leads" in entries[7].reason
    guesses = [any("guess:" in line for line in entry.comments) for entry in entries]
    assert guesses == [False, True, True, False, True, False, False, False]


def test_a_version_of_a_model_is_named_by_its_unique_id():
    (entry,) = propose(sync(1, table("dim_accounts.v2")))
    assert entry.depends_on == ("model.jaffle_crm.dim_accounts.v2",)


def test_comments_say_from_where_to_where_and_what_to_look_at():
    own = (OwnTrigger(StartedBy.SCHEDULE, "hourly"), OwnTrigger(StartedBy.DBT_CLOUD, "job 5"))
    (entry,) = propose(sync(1, table("customers"), is_paused=True, own_triggers=own))
    way, sure, paused, starts = entry.comments
    source = table("customers")
    assert way == f"from {source} of Warehouse to Contact of Salesforce"
    assert sure == f"sure: model.jaffle_crm.customers builds {source}"
    assert "paused" in paused
    assert "schedule (hourly), dbt Cloud (job 5)" in starts


def test_what_else_starts_a_sync_is_to_be_looked_at_where_census_does_not_say():
    (entry,) = propose(sync(1, table("customers"), own_triggers=None))
    assert entry.comments[-1] == "look: Census does not say whether it also starts it by itself"


def test_a_dataset_is_asked_for_once_however_many_syncs_read_it():
    reader = Reader([sync(n, DatasetSource(7)) for n in range(1, 5)], {7: reading("orders")})
    assert len(propose_mapping({"default": reader}, PROJECT)) == 4
    assert reader.asked == [7]


def test_a_dataset_that_this_key_may_not_read_is_for_a_person():
    (entry,) = propose(sync(1, DatasetSource(7)), datasets={7: Rejected("403")})
    assert entry.form is Form.COMMENTED
    assert "Census did not show the SQL of dataset 7" in entry.reason


def test_an_answer_that_does_not_come_is_no_mapping():
    with pytest.raises(Unavailable):
        propose(sync(1, DatasetSource(7)), datasets={7: Unavailable("502")})


def test_what_is_written_is_a_mapping_file():
    entries = propose(sync(1, table("customers"), "customers\nto: #1"), sync(2, OtherSource(None)))
    mapping = read_mapping(file_text(["version: 1"], entries).encode(), file="x")
    assert [one.sync_id for one in mapping.syncs] == [1]


def test_a_table_that_one_environment_builds_is_triggered_by_its_runs_only():
    """Production and staging build one model, each in a schema of its own."""
    here = read_project(load("build").manifest, environment_id=1)
    body = load("build").manifest
    schema = BUILT["model.jaffle_crm.customers"].schema
    elsewhere = read_project(
        body.replace(f'"{schema}"'.encode(), b'"staging"').replace(
            f'\\"{schema}\\"'.encode(), b'\\"staging\\"'
        ),
        environment_id=2,
    )
    readers = {"default": Reader([sync(5123, table("customers"))])}
    entries = propose_mapping(readers, Project.together([here, elsewhere]))
    mapping = read_mapping(file_text(["version: 1"], entries).encode(), file="syncs.yml")
    assert mapping.syncs[0].environments == {1}
    assert any("other environments" in comment for comment in entries[0].comments)
