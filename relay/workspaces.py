"""Census workspaces, and the display ids of their syncs. No I/O here."""

from dataclasses import dataclass
from datetime import date

DEFAULT_WORKSPACE = "default"  # the one of the CENSUS_* settings
CENSUS_URL = "https://app.getcensus.com"
CENSUS_EU_URL = "https://app-eu.getcensus.com"
CENSUS_HOSTS = frozenset({"app.getcensus.com", "app-eu.getcensus.com"})
AUTO = "auto"  # the API version that Census shows for the key
CENSUS_API_VERSION = AUTO
V1, V2 = "v1", "v2"
V1_ENDS = date(2027, 1, 15)  # from then on Census refuses v1

SyncKey = tuple[str, int]  # workspace name and sync_id, which identify a sync


@dataclass(frozen=True, slots=True)
class Workspace:
    """A Census workspace beside the default one; its key is in the environment."""

    name: str
    api_key_env: str
    url: str = CENSUS_URL
    api_version: str = CENSUS_API_VERSION


LONGEST_NAME = 100  # characters of a workspace's name
WORKSPACE_NAMES = (
    f"a workspace's name is 1 to {LONGEST_NAME} printable characters without blanks around them,"
    " and has no empty part, `.` or `..` between slashes"
)


def is_workspace_name(name: str) -> bool:
    """Whether a workspace can be named so: a sync's id and the URL of its page begin with it."""
    is_plain = name.isprintable() and name == name.strip() and len(name) <= LONGEST_NAME
    return is_plain and not {"", ".", ".."} & set(name.split("/"))


def display_id(workspace: str, sync_id: int) -> int | str:
    """A sync's id for display: `5123`, or `emea/5123` outside the default workspace."""
    return sync_id if workspace == DEFAULT_WORKSPACE else f"{workspace}/{sync_id}"
