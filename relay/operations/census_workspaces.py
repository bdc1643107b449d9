"""The workspaces of Census that a command is about, and their clients."""

import math
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus

from relay.census.objects import Source
from relay.decision.mapping import SyncMapping
from relay.errors import BadArtifact, CensusNotRead, Rejected, Unavailable, VendorError
from relay.notation import printable
from relay.operations.sync_lookup import require_workspace
from relay.settings import CensusSettings
from relay.vendors.census import CensusManagement
from relay.vendors.connect import CensusClients
from relay.workspaces import DEFAULT_WORKSPACE


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
    """The names of a workspace's sources and destinations, by their ids, and the sources' types.

    `unread` says which of them Census would not show: syncs are listed without.
    """

    sources: Mapping[int, str]
    destinations: Mapping[int | str, str]
    source_types: Mapping[int, str]
    unread: tuple[str, ...] = ()


def read_names(census: CensusManagement) -> Names:
    """Read them; a key may be without the right to. Raises Unavailable, Rejected, BadArtifact."""
    sources: list[Source] = []
    destinations: dict[int | str, str] = {}
    unread = []
    try:
        sources = list(census.sources())
    except Rejected as exc:
        unread.append(_unread("the names of sources", exc))
    try:
        destinations = {
            one.destination_id: name for one in census.destinations() if (name := one.name)
        }
    except Rejected as exc:
        unread.append(_unread("the names of destinations", exc))
    return Names(
        sources={one.source_id: name for one in sources if (name := one.label or one.name)},
        destinations=destinations,
        source_types={one.source_id: one.type for one in sources if one.type},
        unread=tuple(unread),
    )


def _unread(what: str, exc: Rejected) -> str:
    """That syncs are shown without it. Raises Rejected where that would be so for syncs too."""
    if exc.http_status not in (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND):
        raise exc
    return f"{what}: {exc}"
