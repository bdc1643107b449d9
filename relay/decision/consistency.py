"""Models that are older than a rebuild of what they read. No I/O here.

dbt builds a model after its parents, but only within one invocation. Where two invocations, jobs
or runs build parts of one project, a model may have read a parent that was rebuilt afterwards.
"""

import functools
from collections.abc import Iterator, Mapping
from datetime import datetime

from relay.dbt.artifacts import Rebuild, RebuiltModels, Standing
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
        """Whether some model of the run itself may be outdated: one invocation alone has none.

        Builds of what it rebuilt do not count: its own, or later ones, where it is asked about
        again.
        """
        began = self._rebuilt.began
        others = self._history.builds.keys() - self._rebuilt.standing(Standing.REBUILT)
        return not self._rebuilt.has_one_invocation or any(
            build.ended > began
            for node in others
            for build in self._history.builds[node]
            if build.ended and began
        )

    def _newer_parent(self, model: str) -> str | None:
        built = self._rebuild(model)
        if model in self._lineage.views or built is None or built.began is None:
            return None
        newer = (
            each for each in read_by(self._lineage, model) if self._ended_after(built.began, each)
        )
        return next((e for e in newer if not self._rebuilt.of_one_invocation(model, e)), None)

    def _ended_after(self, began: datetime, parent: str) -> bool:
        rebuilt = self._rebuild(parent)
        return rebuilt is not None and rebuilt.ended is not None and rebuilt.ended > began

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


def read_by(lineage: Lineage, model: str) -> Iterator[str]:
    """What a model reads that holds rows: directly, or through views."""
    left, seen = [model], {model}
    while left:
        for parent in lineage.parents.get(left.pop(), ()):
            if parent not in seen:
                seen.add(parent)
                if parent in lineage.views:
                    left.append(parent)
                else:
                    yield parent
