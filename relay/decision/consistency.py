"""Models that are older than a rebuild of what they read. No I/O here.

dbt builds a model after its parents, but only within one invocation. If several invocations, jobs
or runs build parts of one project, a parent may be rebuilt after a model has read it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from relay.dbt.outcome import NodeResult
from relay.dbt.rows import Standing
from relay.decision.findings import Findings
from relay.decision.history import History


def outdated_models(findings: Findings, history: History) -> Mapping[str, str]:
    """Each model that started before a rebuild of its parent ended, and that parent.

    Views between the two are skipped. A model without known times does not count as outdated.
    """
    rebuilds = _Rebuilds(findings, history)
    timed = {key: node for key, node in findings.outcome.nodes.items() if node.began}
    models = history.builds.keys() - timed.keys()
    if _may_be_mixed(findings, history, timed):
        models |= timed.keys()
    parents = ((model, _newer_parent(model, findings, rebuilds)) for model in models)
    return {model: parent for model, parent in parents if parent is not None}


def _may_be_mixed(findings: Findings, history: History, timed: Mapping[str, NodeResult]) -> bool:
    """Whether a model of the run itself may be outdated: not within a single invocation.

    Recorded builds of its rebuilt models do not count: in a replay they are its own, or later.
    """
    if len({node.invocation for node in timed.values()}) > 1:
        return True
    began = min((node.began for node in timed.values() if node.began), default=None)
    others = history.builds.keys() - findings.outcome.in_standing(Standing.REBUILT)
    builds = (build for node in others for build in history.builds[node])
    return any(began and build.ended and build.ended > began for build in builds)


def _newer_parent(model: str, findings: Findings, rebuilds: "_Rebuilds") -> str | None:
    began = rebuilds.of(model).began
    if began is None or model in findings.lineage.views:
        return None
    for parent in findings.lineage.stored_parents([model]):
        ended = rebuilds.of(parent).ended
        if ended and ended > began and not _were_one_invocation(findings, model, parent):
            return parent
    return None


def _were_one_invocation(findings: Findings, model: str, parent: str) -> bool:
    """Whether one invocation executed both: then dbt ordered them."""
    nodes = findings.outcome.nodes
    if model not in nodes or parent not in nodes:
        return False
    return nodes[model].invocation == nodes[parent].invocation


@dataclass(frozen=True, slots=True)
class _Rebuild:
    """When a node was rebuilt; None if it was not, or the time is unknown."""

    began: datetime | None = None
    ended: datetime | None = None


class _Rebuilds:
    """Each node's last known rebuild: by the run, or by earlier ones in its environment."""

    def __init__(self, findings: Findings, history: History) -> None:
        self._nodes = findings.outcome.nodes
        self._environment_id = findings.run.environment_id
        self._history = history
        self._known: dict[str, _Rebuild] = {}

    def of(self, node: str) -> _Rebuild:
        if node not in self._known:
            self._known[node] = self._by_the_run(node) or self._before(node)
        return self._known[node]

    def _by_the_run(self, node: str) -> _Rebuild | None:
        result = self._nodes.get(node)
        if result is None or result.standing is not Standing.REBUILT:
            return None
        return _Rebuild(result.began, result.ended)

    def _before(self, node: str) -> _Rebuild:
        builds = [
            (build.ended, build.began)
            for build in self._history.builds.get(node, ())
            if build.ended and build.environment_id == self._environment_id
        ]
        if not builds:
            return _Rebuild()
        ended, began = max(builds, key=lambda build: build[0])
        return _Rebuild(began, ended)
