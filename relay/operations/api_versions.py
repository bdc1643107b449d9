"""The API version of each Census workspace: as configured, as found, and how long it lasts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from relay.decision.mapping import SyncMapping
from relay.workspaces import AUTO, CENSUS_EU_URL, DEFAULT_WORKSPACE, V1, V1_ENDS, V2

_EUROPEAN_V2 = (
    "the vendor's own sources disagree on whether v2 has a European host; see docs/setup-census.md"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CensusVersion:
    """The API version of a workspace.

    `api_version` is None where `auto` is configured and no worker has found it out yet; `ends_on`
    is None where the version has no known end.
    """

    workspace: str
    api_version: str | None
    ends_on: date | None


def census_versions(
    default: str, mapping: SyncMapping | None, found: Mapping[str, str]
) -> tuple[CensusVersion, ...]:
    """The version of each workspace that a sync of the mapping goes to; by name.

    `default` is what is configured for the default workspace, `found` what workers found out.
    """
    return tuple(
        _described(workspace, found.get(workspace) if version == AUTO else version)
        for workspace, version in sorted(configured_versions(default, mapping).items())
    )


def _described(workspace: str, version: str | None) -> CensusVersion:
    ends_on = V1_ENDS if version == V1 else None
    return CensusVersion(workspace=workspace, api_version=version, ends_on=ends_on)


def configured_versions(default: str, mapping: SyncMapping | None) -> dict[str, str]:
    """`auto`, `v1` or `v2` of each workspace that a sync of the mapping goes to."""
    if mapping is None:
        return {DEFAULT_WORKSPACE: default}
    known = mapping.workspaces
    return {
        sync.workspace: known[sync.workspace].api_version if sync.workspace in known else default
        for sync in mapping.syncs
    }


def version_warnings(
    default_url: str, default: str, mapping: SyncMapping, today: date
) -> Iterator[str]:
    """What a person should know of the versions that are configured."""
    urls = {DEFAULT_WORKSPACE: default_url} | {
        workspace.name: workspace.url for workspace in mapping.workspaces.values()
    }
    for name, version in configured_versions(default, mapping).items():
        if version == V1:
            yield f"{_setting(name)}: v1 {v1_end(today)}; `auto` takes the version of the key"
        elif version == V2 and urls.get(name) == CENSUS_EU_URL:
            yield f"{_setting(name)}: v2 at {CENSUS_EU_URL}: {_EUROPEAN_V2}"


def found_version(workspace: str, version: str, url: str, today: date) -> tuple[str, bool]:
    """What the version that a key opens means for a person, and whether that is a warning."""
    opens = f"the key of workspace {workspace!r} opens {version} of Census's API"
    if version == V1:
        return f"{opens}, which {v1_end(today)}: docs/setup-census.md says how to move to v2", True
    if url == CENSUS_EU_URL:
        return f"{opens} at {url}: {_EUROPEAN_V2}", True
    return opens, False


def v1_end(today: date) -> str:
    """`is retired by its vendor on 2027-01-15, in 49 days`."""
    days = (V1_ENDS - today).days
    return (
        f"is retired by its vendor on {V1_ENDS}, in {days} day{'s' if days != 1 else ''}"
        if days > 0
        else f"was retired by its vendor on {V1_ENDS}"
    )


def _setting(workspace: str) -> str:
    is_default = workspace == DEFAULT_WORKSPACE
    return "CENSUS_API_VERSION" if is_default else f"workspaces.{workspace}.api_version"
