"""Models that are older than a rebuild of what they read. No I/O here.

dbt builds a model after its parents, but only within one invocation. Where two invocations, jobs
or runs build parts of one project, a model may have read a parent that was rebuilt afterwards.
"""

import functools
from collections.abc import Iterable, Iterator, Mapping

from relay.artifacts import Rebuild, RebuiltModels
from relay.dbt_runs import DbtRun
from relay.history import History
from relay.manifest import Lineage


class Freshness:
    """What was rebuilt when: by the run, and by earlier ones in the same environment."""

    def __init__(
        self, run: DbtRun, rebuilt: RebuiltModels, lineage: Lineage, history: History
    ) -> None:
        self._run = run
        self._rebuilt = rebuilt
        self._lineage = lineage
        self._history = history

    @functools.cached_property
    def outdated(self) -> Mapping[str, str]:
        """Each model that began before a rebuild of its parent ended, and that parent.

        Views between the two are looked through. What has no known times is not outdated.
        """
        found: dict[str, str] = {}
        for parent in {*self._rebuilt.nodes, *self._history.builds}:
            ended = self._rebuilds.get(parent)
            for model in self._tables_on(parent) if ended else ():
                began = self._rebuilds.get(model)
                if began and ended and _is_older(began, ended):
                    found.setdefault(model, parent)
        return found

    def tables_behind(self, nodes: Iterable[str]) -> set[str]:
        """What these nodes read that holds rows: directly, or through views."""
        left, seen, found = list(nodes), set(nodes), set()
        while left:
            for parent in self._lineage.parents.get(left.pop(), ()):
                if parent in seen or parent not in self._lineage.rebuildable:
                    continue
                seen.add(parent)
                found.add(parent)
                if self._lineage.rebuildable[parent].is_view:
                    left.append(parent)
        return found

    @functools.cached_property
    def _rebuilds(self) -> Mapping[str, Rebuild]:
        """The last known rebuild of each table; a view holds no rows that could be old."""
        earlier = {node: self._before(node) for node in self._history.builds}
        now = {node: self._rebuilt.rebuild(node) for node in self._rebuilt.nodes}
        return {
            node: rebuild
            for node, rebuild in {**earlier, **{each: at for each, at in now.items() if at}}.items()
            if rebuild and not self._is_view(node)
        }

    def _before(self, node: str) -> Rebuild | None:
        rebuilds = [
            Rebuild(each.dbt_run_id, each.began, each.ended)
            for each in self._history.builds[node]
            if each.ended and each.environment_id == self._run.environment_id
        ]
        return max(rebuilds, key=lambda each: str(each.ended), default=None)

    def _tables_on(self, node: str) -> Iterator[str]:
        left, seen = [node], {node}
        while left:
            for reader in self._lineage.readers.get(left.pop(), ()):
                if reader not in seen:
                    seen.add(reader)
                    if self._is_view(reader):
                        left.append(reader)
                    else:
                        yield reader

    def _is_view(self, node: str) -> bool:
        known = self._lineage.rebuildable.get(node)
        return known is not None and known.is_view


def _is_older(model: Rebuild, parent: Rebuild) -> bool:
    if model.began is None or parent.ended is None or model.invocation == parent.invocation:
        return False
    return model.began < parent.ended
