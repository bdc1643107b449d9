"""What the mapping file should say of the syncs that exposures name. No I/O here."""

from collections.abc import Iterable, Iterator
from itertools import groupby

from relay.census.mapping_text import Entry, Form
from relay.dbt.exposures import SyncExposure
from relay.dbt.manifest import Lineage
from relay.dbt.selection import Selection
from relay.dbt.selectors import read_selector
from relay.workspaces import DEFAULT_WORKSPACE


def propose_exposures(
    exposures: Iterable[SyncExposure], lineage: Lineage, workspaces: Iterable[str]
) -> list[Entry]:
    """An entry for each sync that exposures name; its `depends_on` follows these exposures.

    `workspaces` are those of the mapping in force; a sync of another one is only a comment.
    """
    known = {DEFAULT_WORKSPACE, *workspaces}
    proposals = _Proposals(lineage, known)
    with_id = [one for one in exposures if one.sync_id is not None]
    in_order = sorted(with_id, key=_key)
    return [proposals.entry(list(group)) for _, group in groupby(in_order, key=_key)]


def problems_of(exposures: Iterable[SyncExposure]) -> Iterator[str]:
    """The exposures whose `meta.census.sync_id` is no id."""
    for one in exposures:
        if one.sync_id is None:
            yield f"{one.unique_id}: meta.census.sync_id is {one.written!r}, which is no sync's id"


def _key(exposure: SyncExposure) -> tuple[str, int]:
    return exposure.workspace or DEFAULT_WORKSPACE, exposure.sync_id or 0


class _Proposals:
    def __init__(self, lineage: Lineage, workspaces: set[str]) -> None:
        self._lineage = lineage
        self._workspaces = workspaces
        self._selection = Selection(lineage.rebuildable.keys(), lineage)

    def entry(self, exposures: list[SyncExposure]) -> Entry:
        workspace, sync_id = _key(exposures[0])
        selectors = tuple(map(self._selector, exposures))
        reason = self._reason(workspace, selectors)
        return Entry(
            workspace=workspace,
            sync_id=sync_id,
            name=exposures[0].label or exposures[0].name,
            depends_on=selectors,
            form=Form.COMMENTED if reason else Form.ACTIVE,
            reason=reason,
            comments=(f"from {', '.join(one.unique_id for one in exposures)}",),
        )

    def _selector(self, exposure: SyncExposure) -> str:
        alone = len(self._lineage.whole_index.find("exposure", exposure.name)) == 1
        package = "" if alone else f"{exposure.package_name}."
        return f"exposure:{package}{exposure.name}"

    def _reason(self, workspace: str, selectors: tuple[str, ...]) -> str:
        if workspace not in self._workspaces:
            return f"the mapping file in force has no workspace {workspace!r}"
        if not self._selection.selected(map(read_selector, selectors)):
            return "what it depends on holds no model, seed or snapshot"
        return ""
