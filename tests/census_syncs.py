"""Syncs of the sandbox's Census with every kind of source, and what the project builds for them."""

from relay.sandbox.census_objects import (
    SandboxCohort,
    SandboxDataset,
    SandboxModel,
    SandboxSegment,
    SandboxSource,
    SandboxTable,
    SandboxTopic,
)
from relay.sandbox.census_runs import SandboxSync

CATALOG, SCHEMA = "JAFFLE_CRM", "ANALYTICS"
WAREHOUSE = SandboxSource(label="Warehouse")
FROM_ORDERS = "select * from jaffle_crm.analytics.orders"


def table(table_id, name, catalog=CATALOG, schema=SCHEMA):
    return SandboxTable(
        table_id=table_id, catalog=catalog, schema=schema, name=name, source=WAREHOUSE
    )


def dataset(dataset_id, query):
    return SandboxDataset(
        dataset_id=dataset_id, name=f"dataset {dataset_id}", query=query, source=WAREHOUSE
    )


def model(model_id, name, query, compiled_query=None):
    return SandboxModel(
        model_id=model_id, name=name, query=query, compiled_query=compiled_query, source=WAREHOUSE
    )


OF_ORDERS = dataset(77, f"with o as ({FROM_ORDERS}) select * from o")
OF_A_TEMPLATE = dataset(78, "select * from {{ table }}")
OF_TWO = dataset(
    79,
    'select * from jaffle_crm.analytics."Orders for the CRM"'
    " left join analytics.customers using (id)",
)
SOURCES = {
    1: table(901, "CUSTOMERS"),
    2: table(902, "DIM_ACCOUNTS_V2"),
    3: table(903, "PLANS"),
    4: table(904, "CUSTOMERS", catalog="OTHER"),
    5: OF_ORDERS,
    6: SandboxSegment(segment_id=31, name="segment", dataset=OF_ORDERS),
    7: SandboxCohort(cohort_id=12, dataset=OF_A_TEMPLATE),
    8: model(15, "saved", FROM_ORDERS),
    9: model(16, "fct_revenue", "select * from {{ ref('orders') }}", FROM_ORDERS),
    10: SandboxTopic(topic_id=3, name="events", source=WAREHOUSE),
    11: table(905, "LEADS", schema="RAW"),
    12: table(906, "ORDERS"),
    13: OF_TWO,
    14: table(907, "FCT_TICKETS"),
    15: SandboxCohort(cohort_id=13, dataset=OF_ORDERS),
    16: table(908, "ACCOUNTS_HISTORY"),
    17: table(909, "STG_ORDERS"),
    18: table(910, "Orders for the CRM"),
    19: SandboxSegment(segment_id=32, name="segment", dataset=OF_TWO),
    20: model(17, "unknown", "-", "select * from jaffle_crm.analytics.fct_revenue"),
}
LABELS = {2: "accounts: #1\nto all"}
SYNCS = [
    SandboxSync(
        sync_id=sync_id,
        label=LABELS.get(sync_id, f"sync {sync_id}"),
        source=source,
        destination_object="Contact",
        live=sync_id == 12,
    )
    for sync_id, source in SOURCES.items()
]

# What each depends on; the others are asked about, or not mapped.
MAPPED = {
    1: ["customers"],
    2: ["model.jaffle_crm.dim_accounts.v2"],
    3: ["plans"],
    5: ["orders"],
    6: ["orders"],
    8: ["orders"],
    9: ["fct_revenue", "orders"],
    13: ["crm_orders", "customers"],
    14: ["fct_tickets"],
    15: ["orders"],
    16: ["accounts_history"],
    17: ["stg_orders"],
    18: ["crm_orders"],
    19: ["crm_orders", "customers"],
    20: ["fct_revenue"],
}
ASKED, LEFT_OUT = (4, 7), (10, 11, 12)
