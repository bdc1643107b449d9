"""Ids of a run that a decision needs and dbt Cloud may omit. No I/O here."""

from collections.abc import Iterator, Mapping

from relay.dbt.outcome import RunOutcome
from relay.dbt.runs import DbtRun
from relay.decision.mapping import Sync, SyncMapping
from relay.errors import BadArtifact
from relay.workspaces import SyncKey


def lacking_ids(
    run: DbtRun, outcome: RunOutcome, mapping: SyncMapping
) -> Mapping[SyncKey, BadArtifact]:
    """The syncs that need an id which the run lacks, each with its error.

    Without the id, a sync that lists jobs would be withheld permanently, and one that needs earlier
    builds would use the wrong ones. Empty if the run did nothing.
    """
    did_something = outcome.nodes or outcome.reused or outcome.unaccounted
    if run.never_counts_because or run.was_cancelled or not did_something or _has_all(run):
        return {}
    return {
        sync.key: BadArtifact(
            f"dbt Cloud's answer for dbt run {run.dbt_run_id} lacks {' and '.join(lacking)}, which "
            "this sync needs"
        )
        for sync in mapping.syncs
        if sync.enabled and (lacking := tuple(_lacking(run, sync)))
    }


def _has_all(run: DbtRun) -> bool:
    """Whether no id is missing at all, as is usual: then no sync has to be asked."""
    runs = (run, *run.retried_runs)
    return all(None not in (one.dbt_job_id, one.environment_id, one.project_id) for one in runs)


def _lacking(run: DbtRun, sync: Sync) -> Iterator[str]:
    """The missing ids; for builds also those of the runs that this one retries."""
    builders = (run, *run.retried_runs) if sync.needs_earlier_builds else ()
    if any(one.dbt_job_id is None for one in (*builders, *([run] if sync.jobs else ()))):
        yield "its job's id"
    if any(
        one.environment_id is None for one in (*builders, *([run] if sync.environments else ()))
    ):
        yield "its environment's id"
    if any(one.project_id is None for one in builders):
        yield "its project's id"
