"""`relay init`: reads the settings, and checks them with both vendors."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from relay.clock import utc_now
from relay.errors import BadArtifact, VendorError
from relay.operations.starter import DbtAccount
from relay.secret import Secret
from relay.settings import DbtCloudSettings, WorkerSettings
from relay.variables import VARIABLES, EnvironmentReader
from relay.vendors.connect import CensusClients, dbt_cloud_without_downloads
from relay.workspaces import DEFAULT_WORKSPACE

# In the order of the prompts.
DBT_CLOUD = ("DBT_CLOUD_URL", "DBT_CLOUD_ACCOUNT_ID", "DBT_CLOUD_TOKEN")
CENSUS = ("CENSUS_URL", "CENSUS_API_VERSION", "CENSUS_API_KEY")
WEBHOOK = ("DBT_CLOUD_WEBHOOK_SECRETS",)
BY_NAME = {variable.name: variable for variable in VARIABLES}

_LOOKED_BACK = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class DbtCheck:
    """The result of checking the dbt Cloud settings; the defaults mean that it was not done.

    `last_run_id` is a run for `relay plan`, if one ended within the last hour; `problem` is why
    environments and jobs are not known.
    """

    account: DbtAccount = field(default_factory=DbtAccount)
    last_run_id: int | None = None
    problem: str | None = None


def read_texts(given: Mapping[str, str]) -> dict[str, str]:
    """The given variables, or the contents of their files, as text for relay.env.

    Raises BadSettings with every problem in them.
    """
    reader = EnvironmentReader(given)
    values = reader.read_all()
    reader.raise_problems()
    names = {name.removesuffix("_FILE") if name not in BY_NAME else name for name in given}
    return {
        variable.name: _as_text(values[variable.field], given.get(variable.name, ""))
        for variable in VARIABLES
        if variable.name in names and values[variable.field]
    }


def check_dbt_cloud(texts: Mapping[str, str]) -> DbtCheck:
    """List runs, which relay needs, then environments and jobs, which are optional.

    Raises BadSettings, VendorError, BadArtifact.
    """
    dbt_cloud = dbt_cloud_without_downloads(DbtCloudSettings.from_environment(texts))
    now = utc_now()
    runs = dbt_cloud.list_finished_runs(since=now - _LOOKED_BACK, until=now)
    last_run_id = runs[-1].dbt_run_id if runs else None
    try:
        account = DbtAccount(dbt_cloud.list_environments(), dbt_cloud.list_jobs())
    except (VendorError, BadArtifact) as exc:
        return DbtCheck(last_run_id=last_run_id, problem=str(exc))
    return DbtCheck(account, last_run_id)


def check_census(texts: Mapping[str, str]) -> None:
    """List one sync. Raises BadSettings, VendorError, BadArtifact."""
    CensusClients(WorkerSettings.from_environment(texts), dict).of(
        DEFAULT_WORKSPACE
    ).require_access()


def _as_text(value: object, written: str) -> str:
    if isinstance(value, tuple):
        return ",".join(secret.reveal() for secret in value)
    return value.reveal() if isinstance(value, Secret) else written.strip()
