"""The clients of both vendors, built from the settings and the mapping file."""

from collections.abc import Callable, Mapping
from pathlib import Path

from relay.clock import Stopwatch, stopwatch
from relay.errors import BadSettings, Rejected, Unavailable
from relay.logs import add_secret, get_logger
from relay.secret import Secret
from relay.settings import CensusSettings, DbtCloudSettings
from relay.vendors.census import ApiVersion, Census, CensusManagement
from relay.vendors.dbt_cloud import DbtCloud
from relay.vendors.observer import NoObserver, RequestObserver
from relay.vendors.transport import Transport
from relay.workspaces import DEFAULT_WORKSPACE, Workspace

CONNECTIONS = 16  # to each vendor at once, as many as the worker runs jobs

CENSUS, DBT_CLOUD = "census", "dbt_cloud"  # as metrics name the vendors

# The observer of the requests to a vendor and, for Census, a workspace.
ObserverOf = Callable[[str, str], RequestObserver]

log = get_logger()


def not_observed(vendor: str, workspace: str) -> RequestObserver:
    """For a command, whose requests are not counted."""
    return NoObserver()


class CensusClients:
    """The Census client of each workspace. A changed mapping may add workspaces."""

    def __init__(
        self,
        settings: CensusSettings,
        workspaces: Callable[[], Mapping[str, Workspace]],
        stopwatch: Stopwatch = stopwatch,
        observer_of: ObserverOf = not_observed,
    ) -> None:
        """`workspaces` returns those of the current mapping file, by name."""
        self._settings = settings
        self._workspaces = workspaces
        self._stopwatch = stopwatch
        self._observer_of = observer_of
        self._connected: dict[Workspace, tuple[Transport, ApiVersion]] = {}

    def of(self, workspace: str) -> Census:
        """The client of a workspace.

        Raises Rejected if the mapping lacks the workspace or the key is not set, Unavailable if
        the key cannot be read now: its file may be being replaced.
        """
        transport, version = self._connect(self._describe(workspace))
        return Census(transport, api_version=version)

    def management_of(self, workspace: str) -> CensusManagement:
        """The management API of a workspace. Raises as `of` does."""
        transport, version = self._connect(self._describe(workspace))
        return CensusManagement(transport, api_version=version)

    def _connect(self, workspace: Workspace) -> tuple[Transport, ApiVersion]:
        """The one transport to a workspace, which knows its pause after a 429, and its version."""
        if workspace not in self._connected:
            transport = self._create(workspace)
            version = ApiVersion(transport, workspace.api_version, self._stopwatch)
            self._connected[workspace] = transport, version
        return self._connected[workspace]

    def _describe(self, workspace: str) -> Workspace:
        if workspace == DEFAULT_WORKSPACE:
            settings = self._settings
            return Workspace(
                DEFAULT_WORKSPACE,
                "CENSUS_API_KEY",
                settings.census_url,
                settings.census_api_version,
            )
        known = self._workspaces()
        if workspace not in known:
            raise Rejected(f"the mapping file has no workspace {workspace!r} any more")
        return known[workspace]

    def _create(self, workspace: Workspace) -> Transport:
        return Transport(
            vendor="Census",
            setting=_setting(workspace),
            base_url=workspace.url,
            token=self._key(workspace),
            read_seconds=self._settings.http_timeout,
            connections=CONNECTIONS,
            stopwatch=self._stopwatch,
            observer=self._observer_of(CENSUS, workspace.name),
        )

    def _key(self, workspace: Workspace) -> Secret:
        if workspace.name == DEFAULT_WORKSPACE:
            return self._settings.census_api_key
        try:
            key = self._settings.secret_named(workspace.api_key_env)
        except BadSettings as exc:
            raise Unavailable(str(exc)) from exc
        if key is None:
            raise Rejected(f"{workspace.api_key_env} is not set: it is {workspace.name}'s API key")
        add_secret(key)
        return key


def _setting(workspace: Workspace) -> str:
    is_default = workspace.name == DEFAULT_WORKSPACE
    return "CENSUS_URL" if is_default else f"`workspaces.{workspace.name}.url`"


def dbt_cloud_of(
    settings: DbtCloudSettings,
    stopwatch: Stopwatch = stopwatch,
    observer_of: ObserverOf = not_observed,
) -> DbtCloud:
    """The account's dbt Cloud."""
    folder = _folder_for_downloads(settings.data_dir)
    return _dbt_cloud(settings, folder, stopwatch, observer_of)


def dbt_cloud_without_downloads(settings: DbtCloudSettings) -> DbtCloud:
    """The account's dbt Cloud, without a folder for artifacts: it must not download any."""
    return _dbt_cloud(settings, None, stopwatch, not_observed)


def _dbt_cloud(
    settings: DbtCloudSettings,
    downloads: Path | None,
    stopwatch: Stopwatch,
    observer_of: ObserverOf,
) -> DbtCloud:
    transport = Transport(
        vendor="dbt Cloud",
        setting="DBT_CLOUD_URL",
        base_url=settings.dbt_cloud_url,
        token=settings.dbt_cloud_token,
        read_seconds=settings.http_timeout,
        connections=CONNECTIONS,
        downloads=downloads,
        stopwatch=stopwatch,
        observer=observer_of(DBT_CLOUD, ""),
    )
    return DbtCloud(transport, dbt_account_id=settings.dbt_account_id)


def _folder_for_downloads(data_dir: Path) -> Path | None:
    """A folder on disk, because the temporary folder is in memory in many containers.

    None, for the temporary folder, if RELAY_DATA_DIR is not writable: a worker with an external
    PostgreSQL does not need it.
    """
    folder = data_dir / "downloads"
    try:
        for needed in (data_dir, folder):
            needed.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        log.warning("data_dir.not_writable", folder=str(data_dir), problem=exc.strerror)
        return None
    return folder
