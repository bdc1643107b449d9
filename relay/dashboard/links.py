"""Links to dbt Cloud and Census: built from settings, the mapping and integers only."""

from relay.decision.mapping import SyncMapping
from relay.settings import DashboardSettings
from relay.workspaces import DEFAULT_WORKSPACE, SyncKey


class Links:
    """URLs for templates; None where settings and mapping do not say enough."""

    def __init__(self, settings: DashboardSettings, mapping: SyncMapping | None) -> None:
        self._settings = settings
        self._mapping = mapping

    def dbt_run(self, dbt_run_id: int, project_id: int | None) -> str | None:
        """The run's page in dbt Cloud."""
        if self._settings.dbt_cloud_url is None or project_id is None:
            return None
        account = self._settings.dbt_account_id
        path = f"deploy/{account:d}/projects/{project_id:d}/runs/{dbt_run_id:d}"
        return f"{self._settings.dbt_cloud_url}/{path}"

    def census_sync(self, key: SyncKey) -> str | None:
        """The sync's page in Census."""
        workspace, sync_id = key
        census_url = self._census_url(workspace)
        return None if census_url is None else f"{census_url}/syncs/{sync_id:d}/overview"

    def _census_url(self, workspace: str) -> str | None:
        if workspace == DEFAULT_WORKSPACE:
            return self._settings.census_url
        known = {} if self._mapping is None else self._mapping.workspaces
        return known[workspace].url if workspace in known else None
