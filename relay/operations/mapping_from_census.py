"""The mapping as Census's syncs and dbt's project suggest it."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Protocol

from relay.census.mapping_text import Entry
from relay.census.matching import Match, dataset_to_read, match_source
from relay.census.objects import Dataset, Destination, Source
from relay.census.proposals import MatchedSync
from relay.census.syncs import CensusSync, SyncSource
from relay.dbt.project import Project
from relay.dbt.relations import Relations
from relay.decision.mapping import SyncMapping
from relay.errors import Rejected
from relay.operations.census_workspaces import clients_of
from relay.settings import WorkerSettings


class CensusReader(Protocol):
    """What is asked of a workspace of Census."""

    def syncs(self) -> Iterable[CensusSync]:
        """Every sync."""

    def sources(self) -> Iterable[Source]:
        """Every source."""

    def destinations(self) -> Iterable[Destination]:
        """Every destination."""

    def dataset(self, dataset_id: int) -> Dataset:
        """A dataset with its SQL."""


def readers_of(
    settings: WorkerSettings, mapping: SyncMapping, workspaces: Collection[str]
) -> dict[str, CensusReader]:
    """A reader for each of these workspaces, by name; for all of the mapping if none is named.

    Raises BadSettings for one that the mapping does not know, Rejected, Unavailable.
    """
    return dict(clients_of(settings, mapping, workspaces))


def propose_mapping(readers: Mapping[str, CensusReader], project: Project) -> list[Entry]:
    """An entry for each sync of these workspaces, by their names.

    Raises Unavailable, Rejected, BadArtifact.
    """
    return [
        matched.propose(project)
        for workspace, reader in readers.items()
        for matched in match_syncs(workspace, reader, project.relations)
    ]


def match_syncs(
    workspace: str, reader: CensusReader, relations: Relations
) -> Iterator[MatchedSync]:
    """Each sync of a workspace with the nodes that build what it reads.

    Raises Unavailable, Rejected, BadArtifact.
    """
    sources = {source.source_id: source for source in reader.sources()}
    destinations = {one.destination_id: one for one in reader.destinations()}
    matcher = _Matcher(reader, relations)
    for sync in reader.syncs():
        source = sources.get(sync.connection_id or 0)
        destination = destinations.get(sync.destination.destination_id or 0)
        yield MatchedSync(
            workspace=workspace,
            sync=sync,
            match=matcher.match(sync.source, source.type if source else None),
            source=(source.label or source.name) if source else None,
            destination=destination.name if destination else None,
        )


def match_one(
    sync: CensusSync, source_type: str | None, reader: CensusReader, relations: Relations
) -> Match:
    """The nodes that build what one sync reads; `source_type` is Census's word, None if unknown.

    Raises Unavailable, BadArtifact.
    """
    return _Matcher(reader, relations).match(sync.source, source_type)


class _Matcher:
    """Matches each source once: many syncs may read the same one."""

    def __init__(self, reader: CensusReader, relations: Relations) -> None:
        self._reader = reader
        self._relations = relations
        self._datasets: dict[int, Dataset | None] = {}
        self._matches: dict[tuple[SyncSource, str | None], Match] = {}

    def match(self, source: SyncSource, source_type: str | None) -> Match:
        key = (source, source_type)
        if key not in self._matches:
            self._matches[key] = match_source(
                source, self._relations, dataset=self._dataset(source), source_type=source_type
            )
        return self._matches[key]

    def _dataset(self, source: SyncSource) -> Dataset | None:
        """None where it needs none, or this key may not read it: a person is asked then."""
        dataset_id = dataset_to_read(source)
        if dataset_id is None:
            return None
        if dataset_id not in self._datasets:
            try:
                self._datasets[dataset_id] = self._reader.dataset(dataset_id)
            except Rejected:
                self._datasets[dataset_id] = None
        return self._datasets[dataset_id]
