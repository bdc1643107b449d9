"""The data of `relay sandbox` and `relay demo`: an account, a workspace, a nightly run."""

from relay.sandbox.census_objects import SandboxDestination, SandboxTable
from relay.sandbox.census_runs import SandboxSync
from relay.sandbox.dbt_account import FIRST_RUN_ID
from relay.sandbox.dbt_jobs import SandboxJob
from relay.sandbox.dbt_projects import SandboxEnvironment, SandboxProject
from relay.sandbox.dbt_runs import DOCS, SandboxRun, invoke
from relay.sandbox.dbt_subscriptions import SandboxSubscription
from relay.sandbox.recordings import load
from relay.sandbox.webhooks import WEBHOOK_ID, WEBHOOK_NAME

# Not secret: they are valid only for the simulators on loopback, with invented data.
DBT_ACCOUNT_ID = 66847
DBT_TOKEN = "dbtc_sandbox"  # noqa: S105
CENSUS_API_KEY = "secret-token:sandbox"
WEBHOOK_SECRET = "sandbox-webhook-secret"  # noqa: S105

FIRST_DBT_RUN_ID = FIRST_RUN_ID

PROJECT = SandboxProject(241251, "Jaffle CRM")
PRODUCTION = SandboxEnvironment(
    environment_id=187998, name="Production", project=PROJECT, deployment_type="production"
)
PULL_REQUESTS = SandboxEnvironment(environment_id=187999, name="CI", project=PROJECT)

NIGHTLY_JOB = SandboxJob(
    dbt_job_id=278164,
    name="Nightly build",
    environment=PRODUCTION,
    commands=("dbt build", DOCS),
    cron="0 3 * * *",
)
CI_JOB = SandboxJob(
    dbt_job_id=278165,
    name="CI",
    environment=PULL_REQUESTS,
    commands=("dbt build",),
    job_type="ci",
)
JOBS = (NIGHTLY_JOB, CI_JOB)


def _table(table_id: int, name: str) -> SandboxTable:
    """The table that a model of the project makes."""
    return SandboxTable(table_id=table_id, catalog="jaffle_crm", schema="analytics", name=name)


SYNCS = (
    SandboxSync(
        sync_id=5123,
        label="customers to Salesforce",
        source=_table(901, "customers"),
        destination=SandboxDestination(
            destination_id=15,
            activation_id="glimmering_donkey",
            name="Salesforce Production",
            type="salesforce",
        ),
        destination_object="Contact",
    ),
    SandboxSync(
        sync_id=5124,
        label="orders to HubSpot",
        source=_table(902, "Orders for the CRM"),
        destination=SandboxDestination(
            destination_id=16, activation_id="patient_otter", name="HubSpot", type="hubspot"
        ),
        destination_object="deal",
    ),
    SandboxSync(
        sync_id=5125,
        label="revenue to Google Sheets",
        source=_table(903, "fct_revenue"),
        destination=SandboxDestination(
            destination_id=17, activation_id="brave_lantern", name="Sheets", type="google_sheets"
        ),
        destination_object="Revenue by day",
        operation="mirror",
    ),
    SandboxSync(
        sync_id=5126,
        label="tickets to Zendesk",
        source=_table(904, "fct_tickets"),
        destination=SandboxDestination(
            destination_id=18, activation_id="quiet_harbour", name="Zendesk", type="zendesk"
        ),
        destination_object="ticket",
    ),
)

# relay's default address.
SUBSCRIPTION = SandboxSubscription(
    webhook_id=WEBHOOK_ID, name=WEBHOOK_NAME, client_url="http://127.0.0.1:8080/webhooks/dbt"
)

# A mapping file for these syncs.
MAPPING = """\
version: 1
syncs:
  - sync_id: 5123
    name: customers to Salesforce
    depends_on: [customers]
  - sync_id: 5124
    name: orders to HubSpot
    depends_on: [crm_orders]
  - sync_id: 5125
    name: revenue to Google Sheets
    depends_on: [fct_revenue]
  - sync_id: 5126
    name: tickets to Zendesk
    depends_on: [fct_tickets]
"""


def nightly_run(dbt_run_id: int = FIRST_DBT_RUN_ID, *, recording: str = "build") -> SandboxRun:
    """`dbt build`, then `dbt docs generate`, in whose artifacts every node is a success.

    The command is that of the recording, such as `build_model_error`; after an error there is no
    docs step. Raises LookupError.
    """
    build = invoke(load(recording).command, load(recording))
    if load(recording).failed:
        return SandboxRun.of(build, dbt_run_id=dbt_run_id)
    docs = invoke("dbt docs generate", load("docs_generate"))
    return SandboxRun.of(build, docs, dbt_run_id=dbt_run_id)


def ci_run(
    dbt_run_id: int = FIRST_DBT_RUN_ID, *, pull_request_id: int, recording: str = "build"
) -> SandboxRun:
    """`dbt build` of a pull request, into its own schema. Raises LookupError.

    https://docs.getdbt.com/docs/deploy/ci-jobs documents the schema's name; the cause is
    a guess.
    """
    return CI_JOB.run(
        invoke("dbt build", load(recording)),
        dbt_run_id=dbt_run_id,
        cause=f"Github Pull Request #{pull_request_id}",
        cause_category="ci",
        github_pull_request_id=pull_request_id,
        schema_override=f"dbt_cloud_pr_{CI_JOB.dbt_job_id}_{pull_request_id}",
    )
