"""Views that a run did not execute: they show the rows of what they read. No I/O here.

A view has no rows, and an ephemeral model does not even stand in the warehouse. Their rows are
new when the table, seed, snapshot or incremental model behind them is, which may be several
views away.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from relay.artifacts import RebuiltModels, Standing
from relay.manifest import Lineage

WORST_FIRST = (
    Standing.SAMPLED,
    Standing.FAILED,
    Standing.SKIPPED,
    Standing.PARTIAL,
    Standing.REBUILT,
)


@dataclass(frozen=True)
class Views:
    """The views that a run touched through what they read, and how they stand.

    A view stands as the worst of what it reads. One that the run executed stands on its own;
    but with --empty or --sample behind it, it too shows too few rows.
    """

    standings: Mapping[str, Standing]
    _executed: RebuiltModels
    _lineage: Lineage

    @classmethod
    def touched_by(cls, executed: RebuiltModels, lineage: Lineage | None) -> "Views":
        """The views of this lineage; none without one."""
        lineage = lineage or Lineage({})
        return cls(_standings(executed, lineage), executed, lineage)

    def read_by(self, view: str) -> frozenset[str]:
        """The executed nodes, directly behind it or behind other views, that it stands on."""
        standing = self.standings[view]
        found, seen, left = set(), {view}, [view]
        while left:
            for parent in set(self._lineage.parents(left.pop())) - seen:
                seen.add(parent)
                if self.standings.get(parent) is standing:
                    left.append(parent)
                elif self._executed.nodes.get(parent) is standing:
                    found.add(parent)
        return frozenset(found)


def _standings(executed: RebuiltModels, lineage: Lineage) -> dict[str, Standing]:
    """Go from what was executed down through the views, the worst first: it stays."""
    views_on = _views_on(lineage)
    found: dict[str, Standing] = {}
    for standing in WORST_FIRST:
        left = list(executed.standing(standing))
        while left:
            for view in views_on.get(left.pop(), ()):
                stands_on_its_own = view in executed.nodes and standing is not Standing.SAMPLED
                if view not in found and not stands_on_its_own:
                    found[view] = standing
                    left.append(view)
    return found


def _views_on(lineage: Lineage) -> Mapping[str, Iterable[str]]:
    views_on: dict[str, list[str]] = {}
    for unique_id, node in lineage.nodes.items():
        if node.is_view:
            for parent in node.depends_on.nodes:
                views_on.setdefault(parent, []).append(unique_id)
    return views_on
