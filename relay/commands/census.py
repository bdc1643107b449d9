"""Common to the commands that look at Census: settings, mapping, a client of each workspace."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from relay.commands.progress import progress
from relay.commands.session import answering
from relay.decision.mapping import SyncMapping
from relay.operations.census_workspaces import asking, clients_of
from relay.operations.mapping_project import mapping_in_force
from relay.settings import CensusSettings
from relay.vendors.census import CensusManagement


class OnCensus(NamedTuple):
    """What such a command starts with; `clients` are by their workspaces' names."""

    settings: CensusSettings
    mapping: SyncMapping
    clients: dict[str, CensusManagement]


@contextmanager
def on_census(workspaces: Sequence[str]) -> Iterator[OnCensus]:
    """For a command about these workspaces, or all of them if none is named."""
    with answering(CensusSettings) as settings:
        mapping = mapping_in_force(settings.mapping, settings.census_hosts)
        yield OnCensus(settings, mapping, clients_of(settings, mapping, workspaces))


@contextmanager
def on_workspace(workspace: str, doing: str) -> Iterator[CensusManagement]:
    """For a command about one workspace; `doing` is shown if it takes longer than a second."""
    with on_census([workspace]) as here, progress(doing), asking(workspace):
        yield here.clients[workspace]
