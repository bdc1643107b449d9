"""Ask dbt Cloud what a run did: the run, every step's run_results.json, the manifest if needed."""

from collections.abc import Iterator
from dataclasses import dataclass

from relay.artifacts import Invocation, RebuiltModels, Standing, what_was_rebuilt
from relay.dbt_cloud import DbtCloud
from relay.dbt_runs import DbtRun
from relay.errors import Unavailable
from relay.manifest import Lineage
from relay.mapping import SyncMapping
from relay.plan import Plan, decide, needs_lineage


@dataclass(frozen=True, slots=True)
class Examined:
    """A run, what it rebuilt, and what that means for the syncs."""

    run: DbtRun
    rebuilt: RebuiltModels
    plan: Plan


def examine(dbt_cloud: DbtCloud, dbt_run_id: int, mapping: SyncMapping) -> Examined:
    """Find out and decide; nothing is changed anywhere.

    Raises Unavailable (also for what is not there yet), Rejected, BadArtifact.
    """
    run = dbt_cloud.get_run(dbt_run_id)
    if not run.has_ended:
        raise Unavailable(f"dbt run {dbt_run_id} has not ended yet")
    if run.never_counts_because:
        return Examined(run, RebuiltModels(), Plan())
    invocations = tuple(_invocations(dbt_cloud, run))
    rebuilt = what_was_rebuilt(invocations)
    lineage = None
    if needs_lineage(run, rebuilt, mapping):
        lineage = _lineage(dbt_cloud, run, invocations)
    return Examined(run, rebuilt, decide(run, rebuilt, mapping, lineage))


def _invocations(dbt_cloud: DbtCloud, run: DbtRun) -> Iterator[Invocation]:
    for step in run.steps:
        run_results = dbt_cloud.get_run_results(run.dbt_run_id, step=step.index)
        if run_results is not None:
            yield Invocation(step, run_results)
        elif step.must_have_run_results:
            raise Unavailable(
                f"step {step.index} of dbt run {run.dbt_run_id} ({step.command}) "
                "succeeded, but has no run_results.json yet"
            )


def _lineage(dbt_cloud: DbtCloud, run: DbtRun, invocations: tuple[Invocation, ...]) -> Lineage:
    """The project as the last step that wrote results saw it."""
    last = max(invocations, key=lambda each: each.step.index)
    return dbt_cloud.get_manifest(run.dbt_run_id, step=last.step.index)


def counted(rebuilt: RebuiltModels, *standings: Standing) -> list[str]:
    """The nodes in these standings, sorted, for a log line."""
    return sorted(rebuilt.standing(*standings))
