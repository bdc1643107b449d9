"""Ask dbt Cloud what a run did: the run, every step's run_results.json, the manifest if needed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from relay.artifacts import Invocation, RebuiltModels, Standing, what_was_rebuilt
from relay.dbt_cloud import DbtCloud
from relay.dbt_runs import DbtRun
from relay.errors import Unavailable
from relay.manifest import Lineage
from relay.mapping import SyncMapping
from relay.plan import AnsweredSyncs, Plan, decide, needs_lineage

MOST_ATTEMPTS = 20  # a run that retries one that retries one …

# What other attempts have triggered already: asked with the run and the chain's first run id.
AskAnswered = Callable[[DbtRun, int], AnsweredSyncs]


@dataclass(frozen=True, slots=True)
class Examined:
    """A run, the earlier attempts it retries, what was rebuilt, and what that means.

    `first_run_id` is the run all of these attempts go back to: itself, where it retries none.
    """

    run: DbtRun
    earlier: tuple[DbtRun, ...]
    first_run_id: int
    rebuilt: RebuiltModels
    plan: Plan


def examine(
    dbt_cloud: DbtCloud, dbt_run_id: int, mapping: SyncMapping, ask_answered: AskAnswered
) -> Examined:
    """Find out and decide; nothing is changed anywhere.

    Raises Unavailable (also for what is not there yet), Rejected, BadArtifact.
    """
    run = dbt_cloud.get_run(dbt_run_id)
    if not run.has_ended:
        raise Unavailable(f"dbt run {dbt_run_id} has not ended yet")
    if run.never_counts_because:
        return Examined(run, (), run.dbt_run_id, RebuiltModels(), Plan())
    earlier = tuple(_earlier_attempts(dbt_cloud, run))
    invocations = tuple(
        invocation for each in (*earlier, run) for invocation in _invocations(dbt_cloud, each)
    )
    rebuilt = what_was_rebuilt(invocations)
    lineage = None
    if needs_lineage(run, rebuilt, mapping):
        lineage = _lineage(dbt_cloud, invocations)
    first_run_id = min(each.dbt_run_id for each in (run, *earlier))
    plan = decide(run, rebuilt, mapping, lineage, ask_answered(run, first_run_id))
    return Examined(run, earlier, first_run_id, rebuilt, plan)


def _earlier_attempts(dbt_cloud: DbtCloud, run: DbtRun) -> Iterator[DbtRun]:
    """The runs it retries: dbt executes again only what was left, so theirs count too."""
    seen = {run.dbt_run_id}
    while run.retrying_run_id is not None and run.retrying_run_id not in seen:
        if len(seen) >= MOST_ATTEMPTS:
            return
        seen.add(run.retrying_run_id)
        run = dbt_cloud.get_run(run.retrying_run_id)
        yield run


def _invocations(dbt_cloud: DbtCloud, run: DbtRun) -> Iterator[Invocation]:
    for step in run.steps:
        run_results = dbt_cloud.get_run_results(run.dbt_run_id, step=step.index)
        if run_results is not None:
            yield Invocation(run.dbt_run_id, step, run_results)
        elif step.must_have_run_results:
            raise Unavailable(
                f"step {step.index} of dbt run {run.dbt_run_id} ({step.command}) "
                "succeeded, but has no run_results.json yet"
            )


def _lineage(dbt_cloud: DbtCloud, invocations: tuple[Invocation, ...]) -> Lineage:
    """The project as the last step that wrote results saw it."""
    last = max(invocations, key=lambda each: (each.dbt_run_id, each.step.index))
    return dbt_cloud.get_manifest(last.dbt_run_id, step=last.step.index)


def counted(rebuilt: RebuiltModels, *standings: Standing) -> list[str]:
    """The nodes in these standings, sorted, for a log line."""
    return sorted(rebuilt.standing(*standings))
