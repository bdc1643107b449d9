"""Which API version each workspace's key is for: found out at start, logged and stored."""

from relay.errors import DatabaseUnavailable, VendorError
from relay.logs import get_logger
from relay.operations.api_versions import configured_versions
from relay.worker.services import Services
from relay.workspaces import V1, V1_ENDS

log = get_logger()


class ApiVersions:
    """What was found out, and logged. `find` is called again and again."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._logged: dict[str, str] = {}  # by workspace, a version or a problem

    def find(self) -> None:
        """Find out what is not known yet, and log and store what is new."""
        configured = self._services.settings.census_api_version
        for workspace in configured_versions(configured, self._services.mapping.current):
            try:
                version = self._services.census_clients.of(workspace).find_api_version()
            except VendorError as exc:
                self._log_problem(workspace, str(exc))
            else:
                self._note(workspace, version)

    def _note(self, workspace: str, version: str) -> None:
        if self._logged.get(workspace) == version:
            return
        now = self._services.clock()
        try:
            self._services.store.census_versions.record(workspace, version, at=now)
        except DatabaseUnavailable:
            return  # it is tried again with the next call
        self._logged[workspace] = version
        if version == V1:
            days = (V1_ENDS - now.date()).days
            log.warning(
                "census.version",
                workspace=workspace,
                api_version=version,
                ends_on=V1_ENDS,
                days_left=max(days, 0),
            )
        else:
            log.info("census.version", workspace=workspace, api_version=version)

    def _log_problem(self, workspace: str, problem: str) -> None:
        if self._logged.get(workspace) != problem:
            self._logged[workspace] = problem
            log.warning("census.version", workspace=workspace, api_version=V1, problem=problem)
