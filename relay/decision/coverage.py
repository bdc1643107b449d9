"""What the mapping selects in the dbt project, and what it leaves out. No I/O here.

Only the manifest tells it: it is derived where one has been read, and kept for people.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice

from relay.dbt.graph import walk
from relay.dbt.project import Project
from relay.dbt.runs import REBUILDABLE
from relay.dbt.selection import Selection
from relay.decision.mapping import Sync, SyncMapping
from relay.decision.models_of_run import LONGEST_ID
from relay.notation import printable
from relay.workspaces import DEFAULT_WORKSPACE, SyncKey

MOST_SELECTED = 50_000  # nodes of all syncs together; where there are more, of each a part
MOST_OF_A_SYNC = 1000
MOST_BEHIND = 20  # tables that one view reads
MOST_WORDS = 5000
MOST_LISTED = 1000  # models, and exposures
MOST_NAMED = 10  # tags, or exposures, of one model


@dataclass(frozen=True, slots=True)
class Selected:
    """A node that a sync selects.

    `materialized` is None if the manifest does not say it. `behind` are, for a view or ephemeral
    model, the tables of the project that it reads, directly or through other views.
    """

    workspace: str
    sync_id: int
    node: str
    materialized: str | None
    behind: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UnreadModel:
    """A model that has tags, or that exposures depend on, and that no sync reads."""

    node: str
    tags: tuple[str, ...]
    exposures: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UncoveredExposure:
    """An exposure whose models no sync reads, or that stands for a sync that is not mapped.

    `sync` is that sync; None for an exposure that stands for none.
    """

    unique_id: str
    sync: SyncKey | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What the mapping covers of a project; every list has its limit.

    `words` is how many nodes each selector selects, by its text; those that select nothing, or
    several, come first. `nodes_of` is how many nodes each sync selects of which `selected` has only
    a part. The other two are lists, and how many there are.
    """

    selected: tuple[Selected, ...] = ()
    words: Mapping[str, int] = field(default_factory=dict)
    nodes_of: Mapping[SyncKey, int] = field(default_factory=dict)
    unread: tuple[UnreadModel, ...] = ()
    unread_count: int = 0
    exposures: tuple[UncoveredExposure, ...] = ()
    exposures_count: int = 0


def coverage_of(mapping: SyncMapping, project: Project, selection: Selection) -> Coverage:
    """What the mapping covers of this project; `selection` selects from its nodes."""
    return _Covering(mapping, project, selection).coverage()


class _Covering:
    """The nodes of each sync, and what is derived from these."""

    def __init__(self, mapping: SyncMapping, project: Project, selection: Selection) -> None:
        self._mapping = mapping
        self._lineage = project.lineage
        self._of_syncs = project.exposures.of_syncs
        self._selection = selection
        self._nodes_of = {sync: selection.selected(sync.depends_on) for sync in mapping.syncs}
        self._behind: dict[str, tuple[str, ...]] = {}

    def coverage(self) -> Coverage:
        most = self._most_of_a_sync()
        exposed = self._models_of_exposures()
        read = self._read()
        unread = tuple(self._unread(read, exposed))
        exposures = tuple(self._uncovered(read, exposed))
        return Coverage(
            selected=tuple(
                chain.from_iterable(self._selected(sync, most) for sync in self._nodes_of)
            ),
            words=self._words(),
            nodes_of={
                sync.key: len(nodes) for sync, nodes in self._nodes_of.items() if len(nodes) > most
            },
            unread=unread[:MOST_LISTED],
            unread_count=len(unread),
            exposures=exposures[:MOST_LISTED],
            exposures_count=len(exposures),
        )

    def _most_of_a_sync(self) -> int:
        cut = sum(min(len(nodes), MOST_OF_A_SYNC) for nodes in self._nodes_of.values())
        return MOST_OF_A_SYNC if cut <= MOST_SELECTED else MOST_SELECTED // len(self._nodes_of)

    def _selected(self, sync: Sync, most: int) -> Iterator[Selected]:
        nodes = (node for node in self._nodes_of[sync] if len(node) <= LONGEST_ID)
        for node in sorted(nodes)[:most]:
            materialized = self._lineage.nodes[node].config.materialized
            yield Selected(
                *sync.key, node, materialized and printable(materialized), self._tables(node)
            )

    def _tables(self, node: str) -> tuple[str, ...]:
        """What a view reads; nothing for a table."""
        if node not in self._lineage.views:
            return ()
        if node not in self._behind:
            tables = self._lineage.stored_parents([node])
            built = sorted(table for table in tables if table.startswith(REBUILDABLE))
            self._behind[node] = tuple(built[:MOST_BEHIND])
        return self._behind[node]

    def _words(self) -> dict[str, int]:
        counts = {
            selector.text: len(self._selection.selected_by(selector))
            for sync in self._mapping.syncs
            for selector in sync.depends_on
        }
        in_order = sorted(counts.items(), key=lambda word: (word[1] > 0, word[1] == 1, word))
        return dict(in_order[:MOST_WORDS])

    def _read(self) -> frozenset[str]:
        """The nodes that some sync reads, also through views."""
        named = frozenset[str]().union(*self._nodes_of.values())
        views = self._lineage.views
        through = walk(
            (node for node in named if node in views),
            self._lineage.parents,
            passes_through=views.__contains__,
        )
        return named.union(through)

    def _models_of_exposures(self) -> dict[str, frozenset[str]]:
        """The nodes that each exposure depends on, directly or through metrics and the like."""
        return {
            key: frozenset(
                node
                for node in walk(
                    [key],
                    self._lineage.parents,
                    passes_through=lambda node: not node.startswith(REBUILDABLE),
                )
                if node.startswith(REBUILDABLE)
            )
            for key in self._lineage.nodes
            if key.startswith("exposure.")
        }

    def _unread(
        self, read: frozenset[str], exposed: Mapping[str, Iterable[str]]
    ) -> Iterator[UnreadModel]:
        exposures_of: dict[str, list[str]] = {}
        for exposure in sorted(exposed):
            for node in exposed[exposure]:
                exposures_of.setdefault(node, []).append(exposure)
        for key in sorted(self._lineage.rebuildable):
            tags = self._lineage.nodes[key].all_tags
            if key.startswith("model.") and key not in read and (tags or key in exposures_of):
                yield UnreadModel(
                    key,
                    tuple(printable(tag) for tag in islice(tags, MOST_NAMED)),
                    tuple(exposures_of.get(key, ())[:MOST_NAMED]),
                )

    def _uncovered(
        self, read: frozenset[str], exposed: Mapping[str, frozenset[str]]
    ) -> Iterator[UncoveredExposure]:
        stands_for = {
            one.unique_id: (one.workspace or DEFAULT_WORKSPACE, one.sync_id)
            for one in self._of_syncs
            if one.sync_id is not None
        }
        mapped = {sync.key for sync in self._mapping.syncs}
        for exposure in sorted(exposed):
            sync = stands_for.get(exposure)
            if (sync is not None and sync not in mapped) or exposed[exposure].isdisjoint(read):
                yield UncoveredExposure(exposure, sync)
