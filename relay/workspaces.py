"""Census workspaces, and how a sync of one is written for a person. No I/O here."""

from dataclasses import dataclass

DEFAULT_WORKSPACE = "default"  # the one of the CENSUS_* settings
CENSUS_URL = "https://app.getcensus.com"
CENSUS_EU_URL = "https://app-eu.getcensus.com"
CENSUS_HOSTS = frozenset({"app.getcensus.com", "app-eu.getcensus.com"})
AUTO = "auto"  # the API version that Census shows for the key
CENSUS_API_VERSION = AUTO

SyncKey = tuple[str, int]  # a workspace's name and a sync_id: what tells one sync from all others


@dataclass(frozen=True, slots=True)
class Workspace:
    """A Census workspace beside the default one; its key is in the environment."""

    name: str
    api_key_env: str
    url: str = CENSUS_URL
    api_version: str = CENSUS_API_VERSION


def display_id(workspace: str, sync_id: int) -> int | str:
    """A sync's id as a person knows it: `5123`, and `emea/5123` beside the default workspace."""
    return sync_id if workspace == DEFAULT_WORKSPACE else f"{workspace}/{sync_id}"
