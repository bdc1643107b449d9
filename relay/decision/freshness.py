"""Models that are older than a rebuild of what they read. No I/O here.

dbt builds a model after its parents, but only within one invocation. Where two invocations, jobs
or runs build parts of one project, a model may have read a parent that was rebuilt afterwards.
"""

import functools
from collections.abc import Iterator, Mapping

from relay.dbt.artifacts import Rebuild, RebuiltModels
from relay.dbt.manifest import Lineage
from relay.dbt.runs import DbtRun
from relay.decision.history import History


class Freshness:
    """What was rebuilt when: by the run, and by earlier ones in the same environment."""

    def __init__(
        self, run: DbtRun, rebuilt: RebuiltModels, lineage: Lineage, history: History
    ) -> None:
        self._run = run
        self._rebuilt = rebuilt
        self._lineage = lineage
        self._history = history
        self._known: dict[str, Rebuild | None] = {}

    @functools.cached_property
    def outdated(self) -> Mapping[str, str]:
        """Each model that began before a rebuild of its parent ended, and that parent.

        Views between the two are looked through. What has no known times is not outdated.
        """
        models = self._history.builds.keys() - self._rebuilt.timings.keys()
        if self._run_may_be_mixed():
            models |= self._rebuilt.timings.keys()
        parents = ((model, self._newer_parent(model)) for model in models)
        return {model: parent for model, parent in parents if parent is not None}

    def _run_may_be_mixed(self) -> bool:
        """Whether some model of the run itself may be outdated: one invocation alone has none."""
        began = self._rebuilt.began
        return not self._rebuilt.has_one_invocation or any(
            build.ended > began
            for builds in self._history.builds.values()
            for build in builds
            if build.ended and began
        )

    def _newer_parent(self, model: str) -> str | None:
        if self._is_view(model):
            return None
        return next((each for each in self._read_by(model) if self._is_newer(each, model)), None)

    def _is_newer(self, parent: str, model: str) -> bool:
        if self._rebuilt.of_one_invocation(model, parent):
            return False
        built, rebuilt = self._rebuild(model), self._rebuild(parent)
        if not (built and built.began and rebuilt and rebuilt.ended):
            return False
        return rebuilt.ended > built.began

    def _rebuild(self, node: str) -> Rebuild | None:
        """The last rebuild of a node that is known."""
        if node not in self._known:
            self._known[node] = self._rebuilt.rebuild(node) or self._before(node)
        return self._known[node]

    def _before(self, node: str) -> Rebuild | None:
        rebuilds = [
            (each.ended, Rebuild(each.began, each.ended))
            for each in self._history.builds.get(node, ())
            if each.ended and each.environment_id == self._run.environment_id
        ]
        return max(rebuilds, key=lambda each: each[0])[1] if rebuilds else None

    def _read_by(self, model: str) -> Iterator[str]:
        """What a model reads that holds rows: directly, or through views."""
        left, seen = [model], {model}
        while left:
            for parent in self._lineage.parents.get(left.pop(), ()):
                if parent not in seen:
                    seen.add(parent)
                    if self._is_view(parent):
                        left.append(parent)
                    else:
                        yield parent

    def _is_view(self, node: str) -> bool:
        known = self._lineage.rebuildable.get(node)
        return known is not None and known.is_view
