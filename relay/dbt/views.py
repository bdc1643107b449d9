"""Views that a run did not execute: they show the rows of what they read. No I/O here.

A view has no rows, and an ephemeral model does not even stand in the warehouse. Their rows are
new when the table, seed, snapshot or incremental model behind them is, which may be several
views away.
"""

from collections.abc import Mapping

from relay.dbt.artifacts import RebuiltModels, Standing
from relay.dbt.manifest import Lineage

WORST_FIRST = (
    Standing.SAMPLED,
    Standing.FAILED,
    Standing.SKIPPED,
    Standing.PARTIAL,
    Standing.REBUILT,
)


class Views:
    """The views that a run touched through what they read, and how they stand.

    A view stands as the worst of what it reads. One that the run executed stands on its own;
    but with --empty or --sample behind it, it too shows too few rows.
    """

    def __init__(self, executed: RebuiltModels, lineage: Lineage) -> None:
        self._executed = executed.nodes
        self._lineage = lineage
        self._read_by: dict[str, tuple[str, ...]] = {}
        self.standings: Mapping[str, Standing] = _standings(executed, self._lineage)

    def read_by(self, view: str) -> tuple[str, ...]:
        """The executed nodes, directly behind it or behind other views, that it stands on."""
        left, begun = [view], set[str]()
        while left:
            at = left.pop()
            if at in self._read_by:
                continue
            views, executed = self._behind(at)
            if at not in begun:  # the views behind it first; in a circle that ends
                begun.add(at)
                left += [at, *(each for each in views if each not in begun)]
            else:
                further = (self._read_by.get(each, ()) for each in views)
                self._read_by[at] = tuple(sorted(set(executed).union(*further)))
        return self._read_by[view]

    def _behind(self, view: str) -> tuple[list[str], list[str]]:
        """The views and the executed nodes directly behind a view that stand as it does."""
        standing = self.standings[view]
        parents = self._lineage.parents.get(view, ())
        views = [each for each in parents if self.standings.get(each) is standing]
        return views, [
            each for each in parents if each not in views and self._executed.get(each) is standing
        ]


def _standings(executed: RebuiltModels, lineage: Lineage) -> dict[str, Standing]:
    """Go from what was executed down through the views, the worst first: it stays."""
    found: dict[str, Standing] = {}
    for standing in WORST_FIRST:
        left = list(executed.standing(standing))
        while left:
            for view in lineage.views_on.get(left.pop(), ()):
                stands_on_its_own = view in executed.nodes and standing is not Standing.SAMPLED
                if view not in found and not stands_on_its_own:
                    found[view] = standing
                    left.append(view)
    return found
