"""The workspaces of Census that a command is about, and their clients."""

import math
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from relay.decision.mapping import SyncMapping
from relay.errors import BadArtifact, CensusNotRead, Rejected, Unavailable, VendorError
from relay.mapping_file import load
from relay.notation import printable
from relay.operations.sync_lookup import require_workspace
from relay.settings import CensusSettings
from relay.vendors.census import CensusManagement
from relay.vendors.connect import CensusClients
from relay.workspaces import DEFAULT_WORKSPACE

_NO_MAPPING = SyncMapping(syncs=(), workspaces={}, digest="")


def mapping_in_force(settings: CensusSettings) -> SyncMapping:
    """The mapping file of the settings; one without syncs if there is no file. Raises BadMapping.

    Census can be looked at before there is a mapping file.
    """
    if not settings.mapping.exists():
        return _NO_MAPPING
    return load(settings.mapping, settings.census_hosts)


def clients_of(
    settings: CensusSettings, mapping: SyncMapping, workspaces: Collection[str]
) -> dict[str, CensusManagement]:
    """The client of each of these workspaces by its name; of every workspace if none is named.

    Raises BadSettings for one that the mapping does not know, Rejected, Unavailable.
    """
    for workspace in workspaces:
        require_workspace(mapping, workspace)
    clients = CensusClients(settings, lambda: mapping.workspaces)
    names = workspaces or (DEFAULT_WORKSPACE, *mapping.workspaces)
    return {name: clients.management_of(name) for name in names}


def client_of(settings: CensusSettings, mapping: SyncMapping, workspace: str) -> CensusManagement:
    """The client of one workspace. Raises as `clients_of` does."""
    return clients_of(settings, mapping, (workspace,))[workspace]


@contextmanager
def asking(workspace: str) -> Iterator[None]:
    """Turn whatever Census does wrong into one sentence, CensusNotRead, about this workspace."""
    try:
        yield
    except (VendorError, BadArtifact) as exc:
        named = "" if workspace == DEFAULT_WORKSPACE else f"workspace {printable(workspace)}: "
        wait = exc.retry_after if isinstance(exc, Unavailable) else None
        later = f"; Census asks to wait {math.ceil(wait)} s" if wait else ""
        raise CensusNotRead(f"{named}{exc}{later}") from exc


@dataclass(frozen=True, slots=True)
class Names:
    """The names of a workspace's sources and destinations, by their ids.

    `unread` says which of them Census would not show: syncs are listed without.
    """

    sources: Mapping[int, str]
    destinations: Mapping[int | str, str]
    unread: tuple[str, ...] = ()


def read_names(census: CensusManagement) -> Names:
    """Read them. Raises Unavailable, BadArtifact."""
    sources: dict[int, str] = {}
    destinations: dict[int | str, str] = {}
    unread = []
    try:
        sources = {
            one.source_id: name for one in census.sources() if (name := one.label or one.name)
        }
    except Rejected as exc:
        unread.append(f"the names of sources: {exc}")
    try:
        destinations = {
            one.destination_id: name for one in census.destinations() if (name := one.name)
        }
    except Rejected as exc:
        unread.append(f"the names of destinations: {exc}")
    return Names(sources, destinations, tuple(unread))
