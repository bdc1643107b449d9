"""Ask dbt Cloud what a run did: the run, every step's run_results.json, the manifest if needed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from relay.artifacts import (
    Invocation,
    RebuiltModels,
    Standing,
    each_once,
    what_was_rebuilt,
)
from relay.dbt_cloud import DbtCloud
from relay.dbt_runs import DbtRun
from relay.errors import BadArtifact, Unavailable
from relay.lineage_cache import LineageCache, ProjectState
from relay.manifest import Lineage, Node
from relay.mapping import SyncMapping
from relay.plan import needs_lineage

MOST_ATTEMPTS = 20  # a run that retries one that retries one …


@dataclass(frozen=True, slots=True)
class Examined:
    """A run, the earlier attempts it retries, and what they rebuilt.

    `lineage` is None where no decision needs it.
    """

    run: DbtRun
    earlier: tuple[DbtRun, ...] = ()
    rebuilt: RebuiltModels = field(default_factory=RebuiltModels)
    lineage: Lineage | None = None

    @property
    def first_run_id(self) -> int:
        """The run all of these attempts go back to: itself, where it retries none."""
        return min(each.dbt_run_id for each in (self.run, *self.earlier))


class Examiner:
    """Finds out what runs did; nothing is changed anywhere but the lineages kept on disk."""

    def __init__(self, dbt_cloud: DbtCloud, lineages: LineageCache) -> None:
        self._dbt_cloud = dbt_cloud
        self._lineages = lineages

    def examine(self, dbt_run_id: int, mapping: SyncMapping, *, now: datetime) -> Examined:
        """Find out what a run did.

        Raises Unavailable (also for what is not there yet), Rejected, BadArtifact.
        """
        run = self._dbt_cloud.get_run(dbt_run_id)
        if not run.has_ended:
            raise Unavailable(f"dbt run {dbt_run_id} has not ended yet")
        if run.never_counts_because:
            return Examined(run)
        earlier = tuple(self._earlier_attempts(run))
        runs = {each.dbt_run_id: each for each in (run, *earlier)}
        invocations = each_once(self._invocations(runs.values()))
        rebuilt = what_was_rebuilt(invocations)
        lineage = None
        if needs_lineage(run, rebuilt, mapping):
            lineage = self._lineage(runs, invocations, now)
        return Examined(run, earlier, rebuilt, lineage)

    def _earlier_attempts(self, run: DbtRun) -> Iterator[DbtRun]:
        """The runs it retries: dbt executes again only what was left, so theirs count too."""
        seen = {run.dbt_run_id}
        while run.retrying_run_id is not None and run.retrying_run_id not in seen:
            if len(seen) >= MOST_ATTEMPTS:
                return
            seen.add(run.retrying_run_id)
            run = self._dbt_cloud.get_run(run.retrying_run_id)
            yield run

    def _invocations(self, runs: Iterable[DbtRun]) -> Iterator[Invocation]:
        for run in runs:
            for step in run.steps:
                run_results = self._dbt_cloud.get_run_results(run.dbt_run_id, step=step.index)
                if run_results is not None:
                    yield Invocation(run.dbt_run_id, step, run_results)
                elif step.must_have_run_results:
                    raise Unavailable(
                        f"step {step.index} of dbt run {run.dbt_run_id} ({step.command}) "
                        "succeeded, but has no run_results.json yet"
                    )

    # The project's lineage

    def _lineage(
        self, runs: Mapping[int, DbtRun], invocations: Sequence[Invocation], now: datetime
    ) -> Lineage:
        """The project as the last invocation that counts saw it.

        Where that one does not know all that an earlier one executed (another commit, other
        --vars), what only the earlier one knows is added.
        """
        nodes: Mapping[str, Node] = {}
        for invocation in reversed([each for each in invocations if each.counts]):
            if not nodes or invocation.executed - nodes.keys():
                seen = self._seen_by(runs[invocation.dbt_run_id], invocation, now)
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
