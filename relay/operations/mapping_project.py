"""The dbt project and the mapping that `relay mapping` starts from."""

from collections.abc import Collection
from pathlib import Path

from relay.clock import utc_now
from relay.dbt.project import Project, read_project
from relay.decision.mapping import SyncMapping
from relay.errors import BadArtifact, Rejected
from relay.evidence.newest_project import newest_project
from relay.mapping_file import load
from relay.operations.starter import DbtAccount
from relay.settings import DbtCloudSettings
from relay.vendors.connect import dbt_cloud_of, dbt_cloud_without_downloads

NO_MAPPING = SyncMapping(syncs=(), workspaces={}, digest="")


def project_of_file(path: Path) -> Project:
    """The project that a manifest.json describes. Raises BadArtifact."""
    try:
        return read_project(path.read_bytes())
    except OSError as exc:
        raise BadArtifact(f"{path}: cannot be read: {exc.strerror}") from exc
    except BadArtifact as exc:
        raise BadArtifact(f"{path}: {exc}") from exc


def project_of_runs(
    settings: DbtCloudSettings, mapping: SyncMapping, dbt_job_ids: Collection[int]
) -> Project:
    """The project as the newest runs of these jobs saw it; of the mapped jobs, if none is named.

    Raises VendorError, BadArtifact.
    """
    jobs = dbt_job_ids or (mapping.dbt_job_ids if mapping.syncs else None)
    return newest_project(dbt_cloud_of(settings), dbt_job_ids=jobs, now=utc_now()).project


def account_of(settings: DbtCloudSettings) -> DbtAccount:
    """The account's environments; none where the token may not read them."""
    try:
        return DbtAccount(dbt_cloud_without_downloads(settings).list_environments())
    except Rejected:
        return DbtAccount()


def mapping_in_force(path: Path, census_hosts: Collection[str]) -> SyncMapping:
    """The mapping file of the settings; one without syncs where there is no file yet.

    Raises BadMapping.
    """
    return load(path, census_hosts) if path.exists() else NO_MAPPING
