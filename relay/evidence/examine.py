"""Ask dbt Cloud what a run did: the run, every step's run_results.json, the manifest if needed."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from relay.dbt.artifacts import (
    Invocation,
    RebuiltModels,
    Standing,
    each_once,
    what_was_rebuilt,
)
from relay.dbt.decoding import garbage_uncollected
from relay.dbt.manifest import Lineage
from relay.dbt.nodes import Node
from relay.dbt.runs import DbtRun
from relay.decision.mapping import SyncMapping
from relay.decision.plan import needs_lineage
from relay.errors import BadArtifact, Unavailable
from relay.evidence.lineage_cache import LineageCache, ProjectState
from relay.settings import Settings
from relay.vendors.dbt_cloud import DbtCloud

MOST_ATTEMPTS = 20  # a run that retries one that retries one …


@dataclass(frozen=True, slots=True)
class Examined:
    """A run with the earlier attempts it retries, and what their invocations rebuilt."""

    run: DbtRun
    invocations: tuple[Invocation, ...] = ()
    rebuilt: RebuiltModels = field(default_factory=RebuiltModels)


class Examiner:
    """Finds out what runs did; nothing is changed anywhere but the lineages kept on disk."""

    def __init__(self, dbt_cloud: DbtCloud, lineages: LineageCache) -> None:
        self._dbt_cloud = dbt_cloud
        self._lineages = lineages
        self._one_lineage = threading.Lock()

    def examine(self, dbt_run_id: int) -> Examined:
        """Find out what a run did.

        Raises Unavailable (also for what is not there yet), Rejected, BadArtifact.
        """
        run = self._dbt_cloud.get_run(dbt_run_id)
        if not run.has_ended:
            raise Unavailable(f"dbt run {dbt_run_id} has not ended yet")
        if run.never_counts_because:
            return Examined(run)
        run = replace(run, earlier=tuple(self._earlier_attempts(run)))
        invocations = each_once(
            invocation for each in (*run.earlier, run) for invocation in self._invocations(each)
        )
        return Examined(run, invocations, what_was_rebuilt(invocations))

    @contextmanager
    def lineage(
        self, examined: Examined, mapping: SyncMapping, *, now: datetime
    ) -> Iterator[Lineage | None]:
        """The project as the run saw it; None where no decision needs it.

        A worker holds one at a time, for it may be large; and many runs that end together then
        fetch it once. Raises as `examine` does.
        """
        if not needs_lineage(examined.run, examined.rebuilt, mapping):
            yield None
            return
        with self._one_lineage:
            lineage = self._lineage(examined, now)
            with garbage_uncollected():  # it would be looked for among all of these nodes
                yield lineage

    def _earlier_attempts(self, run: DbtRun) -> Iterator[DbtRun]:
        """The runs it retries: dbt executes again only what was left, so theirs count too."""
        seen = {run.dbt_run_id}
        while run.retrying_run_id is not None and run.retrying_run_id not in seen:
            if len(seen) >= MOST_ATTEMPTS:
                return
            seen.add(run.retrying_run_id)
            run = self._dbt_cloud.get_run(run.retrying_run_id)
            yield run

    def _invocations(self, run: DbtRun) -> Iterator[Invocation]:
        for step in run.steps:
            if not step.may_have_run_results:
                continue
            run_results = self._dbt_cloud.get_run_results(run.dbt_run_id, step=step.index)
            if run_results is not None:
                yield Invocation(run.dbt_run_id, step, run_results)
            elif step.must_have_run_results:
                raise Unavailable(
                    f"step {step.index} of dbt run {run.dbt_run_id} ({step.command}) "
                    "succeeded, but has no run_results.json yet"
                )

    def _lineage(self, examined: Examined, now: datetime) -> Lineage:
        """The project as the last invocation that counts saw it.

        Where that one does not know all that an earlier one executed (another commit, other
        --vars), what only the earlier one knows is added.
        """
        nodes: Mapping[str, Node] = {}
        for invocation in reversed([each for each in examined.invocations if each.counts]):
            if not nodes or invocation.executed - nodes.keys():
                seen = self._seen_by(examined.run.attempt(invocation.dbt_run_id), invocation, now)
                nodes = {**seen.nodes, **nodes} if nodes else seen.nodes
        return Lineage(nodes)

    def _seen_by(self, run: DbtRun, invocation: Invocation, now: datetime) -> Lineage:
        """The project as one invocation saw it. Raises BadArtifact if it cannot have been so."""
        state = ProjectState.of(run, invocation)
        kept = self._lineages.get(state, now=now) if state is not None else None
        if kept is not None and not invocation.executed - kept.nodes.keys():
            return kept
        step = invocation.step.index
        lineage = self._dbt_cloud.get_manifest(run.dbt_run_id, step=step)
        unknown = invocation.executed - lineage.nodes.keys()
        if unknown:
            raise BadArtifact(
                f"manifest.json of step {step} of dbt run {run.dbt_run_id} is of another "
                f"invocation: it does not know {min(unknown)}, which the step executed"
            )
        if state is not None:
            self._lineages.put(state, lineage, now=now)
        return lineage


def counted(rebuilt: RebuiltModels, *standings: Standing) -> list[str]:
    """The nodes in these standings, sorted, for a log line."""
    return sorted(rebuilt.standing(*standings))


def examiner_of(settings: Settings, dbt_cloud: DbtCloud) -> Examiner:
    """Who finds out what a run of the account did."""
    return Examiner(dbt_cloud, LineageCache(settings.data_dir / "lineages"))
