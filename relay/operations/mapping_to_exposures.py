"""dbt exposures out of the mapping, and the mapping out of dbt exposures."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from relay.census.exposures import ExposedSync, Owner, exposures_text
from relay.census.from_exposures import problems_of, propose_exposures
from relay.census.mapping_text import Entry
from relay.dbt.project import Project
from relay.dbt.selection import Selection
from relay.decision.mapping import Sync, SyncMapping
from relay.workspaces import DEFAULT_WORKSPACE, display_id


@dataclass(frozen=True, slots=True)
class WrittenExposures:
    """A properties file for dbt; `left_out` are syncs and models that are not in it, and why."""

    text: str
    left_out: tuple[str, ...]


def entries_of_exposures(
    project: Project, mapping: SyncMapping
) -> tuple[list[Entry], tuple[str, ...]]:
    """An entry for each sync that an exposure names, and what is wrong with other exposures."""
    exposures = project.exposures.of_syncs
    entries = propose_exposures(exposures, project.lineage, mapping.workspaces)
    return entries, tuple(problems_of(exposures))


def write_exposures(
    project: Project, mapping: SyncMapping, owner: Owner, *, census_url: str
) -> WrittenExposures:
    """An exposure for each sync of the mapping that depends on something in this project.

    `census_url` is that of the default workspace. A sync that another exposure names is left out.
    """
    exposer = _Exposer(project, mapping, census_url)
    left_out = {sync.key: exposer.why_not(sync) for sync in mapping.syncs}
    text = exposures_text(
        [exposer.expose(sync) for sync in mapping.syncs if not left_out[sync.key]],
        project.lineage,
        owner,
        taken=project.exposures.names,
        private=project.exposures.private,
    )
    syncs = (f"sync {display_id(*key)}: {why}" for key, why in left_out.items() if why)
    return WrittenExposures(text, (*syncs, *exposer.private_of(mapping.syncs)))


class _Exposer:
    def __init__(self, project: Project, mapping: SyncMapping, census_url: str) -> None:
        self._selection = Selection(project.lineage.rebuildable.keys(), project.lineage)
        urls = {workspace.name: workspace.url for workspace in mapping.workspaces.values()}
        self._urls = {DEFAULT_WORKSPACE: census_url, **urls}
        self._private = project.exposures.private
        self._named_by = {
            (one.workspace or DEFAULT_WORKSPACE, one.sync_id): one.unique_id
            for one in project.exposures.of_syncs
            if not one.is_generated
        }

    def why_not(self, sync: Sync) -> str | None:
        """Why a sync gets no exposure; None if it does."""
        if sync.key in self._named_by:
            return f"{self._named_by[sync.key]} names it already"
        if not self._selection.selected(sync.depends_on):
            return "its `depends_on` selects nothing in this project"
        return None

    def private_of(self, syncs: Iterable[Sync]) -> Iterator[str]:
        """The models of these syncs that no exposure may refer to."""
        for sync in syncs:
            for node in sorted(self._selection.selected(sync.depends_on) & self._private):
                yield f"{node} of sync {display_id(*sync.key)}: it is private"

    def expose(self, sync: Sync) -> ExposedSync:
        return ExposedSync(
            key=sync.key,
            label=sync.name,
            nodes=tuple(sorted(self._selection.selected(sync.depends_on))),
            url=f"{self._urls[sync.workspace]}/syncs/{sync.sync_id}",
        )
