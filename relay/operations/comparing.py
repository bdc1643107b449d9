"""Compares the mapping file with what Census has, and with what dbt Cloud said.

What cannot be asked is part of the result: it keeps nothing else from being compared.
"""

from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus

from relay.census.comparison import (
    KnownProject,
    compare_settings,
    compare_source,
    compare_unmapped,
    environments_gone,
    jobs_gone,
    sync_is_gone,
)
from relay.census.findings import Comparison, Evidence, Finding, Unchecked
from relay.census.matching import Match, dataset_to_read, match_source
from relay.census.objects import Dataset
from relay.census.syncs import CensusSync, SyncSource, TableSource
from relay.decision.mapping import PlacedSync, SyncMapping
from relay.errors import BadArtifact, Rejected, VendorError
from relay.operations.dbt_facts import DbtFacts, enabled_syncs, unasked
from relay.vendors.census import CensusManagement
from relay.workspaces import DEFAULT_WORKSPACE

MOST_CONFIRMED = 100  # mapped syncs that a list lacks and that are asked for one by one

ManagementOf = Callable[[str], CensusManagement]
Tell = Callable[[str], None]
Result = Finding | Unchecked


def workspaces_of(mapping: SyncMapping) -> tuple[str, ...]:
    """The workspaces of the file; the default one if a sync goes there, or there is no other."""
    is_used = any(sync.workspace == DEFAULT_WORKSPACE for sync in mapping.syncs)
    default = (DEFAULT_WORKSPACE,) if is_used or not mapping.workspaces else ()
    return (*default, *mapping.workspaces)


def compare(
    mapping: SyncMapping, facts: DbtFacts, management_of: ManagementOf, tell: Tell
) -> Comparison:
    """Compare the mapping with what dbt Cloud said, and with every sync of its workspaces.

    `tell` is called with what is being read.
    """
    return Comparison.of(_compare(mapping, facts, management_of, tell))


def _compare(
    mapping: SyncMapping, facts: DbtFacts, management_of: ManagementOf, tell: Tell
) -> Iterator[Result]:
    yield from facts.unchecked
    enabled = enabled_syncs(mapping)
    for mapped in enabled:
        if facts.project is not None:
            yield from facts.project.selectors_of_nothing(mapped)
        if facts.job_ids is not None:
            yield from jobs_gone(mapped, facts.job_ids)
        if facts.environment_ids is not None:
            yield from environments_gone(mapped, facts.environment_ids)
    known = frozenset(sync.key for sync in mapping.syncs)
    for workspace in workspaces_of(mapping):
        try:
            census = management_of(workspace)
        except VendorError as exc:
            yield unasked(Evidence.SYNCS, exc, workspace)
            continue
        disabled = frozenset(sync_id for name, sync_id in known if name == workspace)
        mapped_here = {one.sync.sync_id: one for one in enabled if one.sync.workspace == workspace}
        passed_over = disabled - mapped_here.keys()
        comparing = _Workspace(workspace, census, facts.project, tell)
        yield from comparing.compare(mapped_here, passed_over)


class _Workspace:
    """The comparison of one workspace, whose syncs are read page by page, once."""

    def __init__(
        self, workspace: str, census: CensusManagement, project: KnownProject | None, tell: Tell
    ) -> None:
        self._workspace = workspace
        self._census = census
        self._project = project
        self._tell = tell
        self._matches = _Matches(census, workspace, project) if project else None

    def compare(
        self, mapped: Mapping[int, PlacedSync], passed_over: frozenset[int]
    ) -> Iterator[Result]:
        """Compare these syncs, and look for others; nothing is said of those passed over."""
        missing = dict(mapped)
        count = 0
        try:
            for count, sync in enumerate(self._census.syncs(), 1):
                self._tell(f"Comparing the syncs of workspace {self._workspace}: {count}")
                placed = missing.pop(sync.sync_id, None)
                if placed is not None:
                    yield from self._compare_one(placed, sync)
                elif sync.sync_id not in passed_over and sync.sync_id not in mapped:
                    yield from self._look_at_unmapped(sync)
        except (VendorError, BadArtifact) as exc:
            yield unasked(Evidence.SYNCS, exc, self._workspace)
            return
        for number, placed in enumerate(missing.values()):
            # A list that changes while it is read may lack a sync that exists.
            if number < MOST_CONFIRMED:
                yield from self._ask_for(placed)
            else:
                yield sync_is_gone(placed)

    def _ask_for(self, mapped: PlacedSync) -> Iterator[Result]:
        try:
            sync = self._census.sync(mapped.sync.sync_id)
        except (VendorError, BadArtifact) as exc:
            if isinstance(exc, Rejected) and exc.http_status == HTTPStatus.NOT_FOUND:
                yield sync_is_gone(mapped)
            else:
                yield unasked(Evidence.SYNCS, exc, *mapped.sync.key)
        else:
            yield from self._compare_one(mapped, sync)

    def _compare_one(self, mapped: PlacedSync, sync: CensusSync) -> Iterator[Result]:
        yield from compare_settings(mapped, sync)
        if self._project is None or self._matches is None:
            return
        match = self._matches.of(sync)
        if isinstance(match, Match):
            yield from compare_source(mapped, sync, match, self._project)
        else:
            yield match

    def _look_at_unmapped(self, sync: CensusSync) -> Iterator[Result]:
        if self._matches is None or sync.is_live:
            return
        match = self._matches.of(sync)
        if isinstance(match, Match):
            yield from compare_unmapped(self._workspace, sync, match)
        else:
            yield match


class _Matches:
    """Matches each source of a workspace once, and asks for a dataset when one is needed."""

    def __init__(self, census: CensusManagement, workspace: str, project: KnownProject) -> None:
        self._census = census
        self._workspace = workspace
        self._relations = project.relations
        self._types: dict[int, str | None] | Unchecked | None = None
        self._datasets: dict[int, Dataset | Unchecked] = {}
        self._matches: dict[tuple[SyncSource, int | None], Match | Unchecked] = {}

    def of(self, sync: CensusSync) -> Match | Unchecked:
        """The match of what a sync reads, or why it could not be found out."""
        key = (sync.source, sync.connection_id)
        if key not in self._matches:
            self._matches[key] = self._match(*key)
        found = self._matches[key]
        if isinstance(found, Match):
            return found
        return Unchecked(
            evidence=found.evidence,
            text=found.text,
            workspace=self._workspace,
            sync_id=sync.sync_id,
            http_status=found.http_status,
        )

    def _match(self, source: SyncSource, source_id: int | None) -> Match | Unchecked:
        if isinstance(source, TableSource):  # exact, whatever the warehouse
            return match_source(source, self._relations)
        types = self._source_types()
        if isinstance(types, Unchecked):
            return types
        dataset_id = dataset_to_read(source)
        dataset = None if dataset_id is None else self._dataset(dataset_id)
        if isinstance(dataset, Unchecked):
            return dataset
        source_type = types.get(source_id or 0)
        return match_source(source, self._relations, dataset=dataset, source_type=source_type)

    def _source_types(self) -> dict[int, str | None] | Unchecked:
        """Census's words for its warehouses by their ids: SQL is read in that dialect."""
        if self._types is None:
            try:
                self._types = {one.source_id: one.type for one in self._census.sources()}
            except (VendorError, BadArtifact) as exc:
                self._types = unasked(Evidence.SOURCES, exc, self._workspace)
        return self._types

    def _dataset(self, dataset_id: int) -> Dataset | Unchecked:
        if dataset_id not in self._datasets:
            try:
                self._datasets[dataset_id] = self._census.dataset(dataset_id)
            except (VendorError, BadArtifact) as exc:
                self._datasets[dataset_id] = unasked(Evidence.SOURCES, exc, self._workspace)
        return self._datasets[dataset_id]
