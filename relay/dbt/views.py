"""Views that a run did not execute: they show the rows of what they read. No I/O here.

A view has no rows, and an ephemeral model does not even stand in the warehouse. Their rows are
new when the table, seed, snapshot or incremental model behind them is, which may be several
views away.
"""

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet

from relay.dbt.graph import walk
from relay.dbt.manifest import Lineage
from relay.dbt.rows import WORST_FIRST, Standing


class Views:
    """The views that a run touched through what they read, and how they stand.

    `executed` are the nodes that the run executed, or may have executed without a row.
    A view stands as the worst of what it reads. One that the run executed stands on its own;
    but with --empty or --sample behind it, it too shows too few rows.
    """

    def __init__(self, executed: Mapping[str, Standing], lineage: Lineage) -> None:
        self._executed = executed
        self._parents = lineage.parents
        self.standings: Mapping[str, Standing] = _standings(executed, lineage)
        self._behind: dict[str, tuple[str, ...]] = {}

    def executed_behind(self, view: str) -> tuple[str, ...]:
        """The executed nodes, directly behind it or behind other views, that it stands on."""
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
    """Go from what was executed down through the views, the worst first: it stays."""
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
    """The views that lead to these nodes, but for those that are settled already."""
    reached = walk(nodes, lineage.views_on, passes_through=lambda view: view not in settled)
    return (view for view in reached if view not in settled)
