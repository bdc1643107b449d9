"""Views that a run did not execute, but whose rows it changed. No I/O here.

A view stores no rows, and an ephemeral model is not even in the warehouse. Their rows change when a
table, seed, snapshot or incremental model is rebuilt that they read, possibly through other views.
"""

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet

from relay.dbt.graph import walk
from relay.dbt.manifest import Lineage
from relay.dbt.rows import WORST_FIRST, Standing


class Views:
    """The views that a run touched through the nodes that they read, and their standings.

    `executed` are the nodes that the run executed, or may have executed without a row. A view has
    the worst standing of the nodes that it reads. A view that the run executed keeps its own,
    unless it reads a node built with --empty or --sample: then it too shows too few rows.
    """

    def __init__(self, executed: Mapping[str, Standing], lineage: Lineage) -> None:
        self._executed = executed
        self._parents = lineage.parents
        self.standings: Mapping[str, Standing] = _standings(executed, lineage)
        self._behind: dict[str, tuple[str, ...]] = {}

    def executed_behind(self, view: str) -> tuple[str, ...]:
        """The executed nodes that give the view its standing, read directly or through views."""
        if view not in self._behind:
            self._behind[view] = self._walk_behind(view)
        return self._behind[view]

    def _walk_behind(self, view: str) -> tuple[str, ...]:
        standing = self.standings[view]

        def is_such_a_view(node: str) -> bool:
            return self.standings.get(node) is standing

        reached = walk([view], self._parents, passes_through=is_such_a_view)
        return tuple(sorted(node for node in reached if self._was_executed_so(node, standing)))

    def _was_executed_so(self, node: str, standing: Standing) -> bool:
        is_such_a_view = self.standings.get(node) is standing
        return self._executed.get(node) is standing and not is_such_a_view


def _standings(executed: Mapping[str, Standing], lineage: Lineage) -> dict[str, Standing]:
    """Propagate standings from the executed nodes to the views, the worst first."""
    nodes: dict[Standing, list[str]] = {}
    for node, standing in executed.items():
        nodes.setdefault(standing, []).append(node)
    found: dict[str, Standing] = {}
    for standing in WORST_FIRST:
        stand_on_their_own = () if standing is Standing.SAMPLED else executed.keys()
        settled = {*found, *stand_on_their_own}
        views = _views_on(nodes.get(standing, ()), lineage, settled)
        found |= dict.fromkeys(views, standing)
    return found


def _views_on(nodes: Iterable[str], lineage: Lineage, settled: AbstractSet[str]) -> Iterator[str]:
    """The views that read these nodes, without those that already have a standing."""
    reached = walk(nodes, lineage.views_on, passes_through=lambda view: view not in settled)
    return (view for view in reached if view not in settled)
