"""A large input for `decide`, and a simple loop to compare it with."""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from relay.dbt.decoding import gc_paused
from relay.dbt.manifest import Lineage, read_manifest
from relay.dbt.nodes import Node
from relay.dbt.outcome import NodeResult, RunOutcome
from relay.dbt.rows import Standing
from relay.dbt.runs import SUCCESS, DbtRun
from relay.dbt.selectors import read_selector
from relay.dbt.views import Views
from relay.decision.findings import Findings
from relay.decision.history import History
from relay.decision.mapping import Sync, SyncMapping
from relay.decision.plan import Plan, decide

NOW = datetime(2026, 11, 1, tzinfo=UTC)
EXECUTED = NodeResult(Standing.REBUILT, 1, "build", NOW, NOW + timedelta(minutes=1))
SYNCS = 5_000
REBUILT = 10_000  # of 20,000 models; half of as many as there are
KINDS = {"unique_id": 40, "name": 20, "tag": 10, "path": 10, "+": 20}  # of 100 selectors
RUN = DbtRun(
    dbt_account_id=1, dbt_run_id=1, dbt_job_id=1, project_id=1, environment_id=1, status=SUCCESS
)


@dataclass(frozen=True, slots=True)
class Question:
    """The input of a decision: always the same for the same project."""

    lineage: Lineage
    mapping: SyncMapping
    outcome: RunOutcome

    @classmethod
    def about(cls, manifest: Path) -> "Question":
        """Thousands of syncs of this project, after a run that rebuilt half of its models."""
        lineage = read_manifest(manifest.read_bytes())
        rng = random.Random(0)
        models = [node for key, node in lineage.nodes.items() if key.startswith("model.")]
        selectors = (_selector(rng, rng.choice(models)) for _ in range(SYNCS))
        syncs = tuple(
            Sync(sync_id=number, depends_on=(read_selector(selector),))
            for number, selector in enumerate(selectors, start=1)
        )
        executed = [each for each in models if each.config.materialized != "ephemeral"]
        chosen = rng.sample(executed, min(REBUILT, len(models) // 2))
        return cls(
            lineage,
            SyncMapping(syncs=syncs, workspaces={}, digest=""),
            RunOutcome(dict.fromkeys((node.unique_id for node in chosen), EXECUTED)),
        )

    @property
    def selectors(self) -> list[str]:
        """The selector of each sync."""
        return [sync.depends_on[0].text for sync in self.mapping.syncs]

    def findings(self) -> Findings:
        """What relay computes before it locks the account."""
        findings = Findings(RUN, self.outcome, self.lineage)
        findings.nodes_needing_history(self.mapping)
        return findings

    def decide(self, findings: Findings) -> Plan:
        """The plan that relay records, with conditions and builds."""
        with gc_paused():
            return decide(findings, self.mapping, History(), now=NOW)

    def loop(self) -> dict[int, tuple[str, ...]]:
        """The rebuilt models of every affected sync, from a loop over them for each selector."""
        views = Views(self.outcome.standings, self.lineage).standings
        touched = [self.lineage.nodes[each] for each in (*self.outcome.nodes, *views)]
        found = (
            (sync.sync_id, tuple(sorted(self._matching(sync.depends_on[0].text, touched))))
            for sync in self.mapping.syncs
        )
        return {sync_id: models for sync_id, models in found if models}

    def _matching(self, selector: str, touched: Iterable[Node]) -> Iterator[str]:
        method, _, value = selector.rpartition(":")
        upstream = self._upstream_of(selector[1:]) if selector.startswith("+") else set()
        for node in touched:
            if (
                (method == "tag" and value in node.all_tags)
                or (method == "path" and node.path.startswith(f"{value}/"))
                or selector in (node.unique_id, node.name)
                or node.unique_id in upstream
            ):
                yield node.unique_id

    def _upstream_of(self, name: str) -> set[str]:
        left = [key for key, node in self.lineage.nodes.items() if node.name == name]
        seen = set(left)
        while left:
            for parent in self.lineage.parents.get(left.pop(), ()):
                if parent not in seen:
                    seen.add(parent)
                    left.append(parent)
        return seen


def _selector(rng: random.Random, model: Node) -> str:
    (kind,) = rng.choices(list(KINDS), list(KINDS.values()))
    match kind:
        case "unique_id":
            return model.unique_id
        case "tag" if model.all_tags:
            return f"tag:{rng.choice(model.all_tags)}"
        case "path":
            return f"path:{model.path.rpartition('/')[0]}"
        case "+":
            return f"+{model.name}"
        case _:
            return model.name
