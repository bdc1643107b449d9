"""A workspace of the simulated Census with a sync of every kind, and the client of it."""

from relay.sandbox import story
from relay.sandbox.census_objects import (
    SandboxCohort,
    SandboxDataset,
    SandboxModel,
    SandboxSegment,
    SandboxTable,
    SandboxTopic,
)
from relay.sandbox.census_runs import SandboxSync
from relay.secret import Secret
from relay.vendors.census import ApiVersion, CensusManagement
from relay.vendors.transport import Transport

SALESFORCE = story.SYNCS[0].destination
DATASET = SandboxDataset(
    dataset_id=77, name="customers", query="select *\nfrom jaffle_crm.analytics.customers"
)
KINDS = (
    SandboxTable(table_id=905, catalog="jaffle_crm", schema="analytics", name="orders"),
    DATASET,
    SandboxSegment(segment_id=31, name="active", dataset=DATASET),
    SandboxCohort(cohort_id=12, dataset=DATASET),
    SandboxModel(model_id=15, name="saved", query="select *\r\nfrom orders -- all\nwhere\ttrue"),
    SandboxModel(
        model_id=16,
        name="dim_customers",
        query="select 1",
        compiled_query="select 2",
        dataset_id=77,
    ),
    SandboxTopic(topic_id=8, name="clicks"),
)


def management_of(sandbox, *, version, key=story.CENSUS_API_KEY):
    """The management API; `tool` is the id of the sandbox's first destination."""
    transport = Transport(
        vendor="Census",
        setting="CENSUS_URL",
        base_url=sandbox.census.url,
        token=Secret(key),
        read_seconds=5,
        connections=1,
    )
    census = CensusManagement(transport, api_version=ApiVersion(transport, version))
    census.tool = SALESFORCE.destination_id if version == "v1" else SALESFORCE.activation_id
    return census


def add_every_kind(sandbox):
    """Syncs 1 to 7, each of which reads another kind of source."""
    for sync_id, source in enumerate(KINDS, 1):
        sandbox.census.add_sync(
            SandboxSync(
                sync_id=sync_id,
                label=None,
                source=source,
                destination=SALESFORCE,
                destination_object="Contact",
            )
        )
