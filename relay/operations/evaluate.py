"""What a dbt run did, with the manifest if a decision needs it: for worker and commands."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime

from relay.decision.absent_ids import lacking_ids
from relay.decision.findings import Findings, needing_lineage, needs_lineage
from relay.decision.mapping import SyncMapping
from relay.evidence.collect import Collector, Evidence


@contextmanager
def findings_of(
    collector: Collector, dbt_run_id: int, mapping: SyncMapping, *, now: datetime
) -> Iterator[Findings]:
    """Collect what a run did; a large manifest is released when the block ends.

    If the manifest cannot be read, only the syncs that need it are undecidable.
    Raises Unavailable (also for an artifact that is not available yet), Rejected, BadArtifact.
    """
    with findings_in(collector, collector.collect(dbt_run_id, now=now), mapping, now=now) as found:
        yield found


@contextmanager
def findings_in(
    collector: Collector, evidence: Evidence, mapping: SyncMapping, *, now: datetime
) -> Iterator[Findings]:
    """The same of a run that was collected before; raises nothing."""
    with ExitStack() as held:
        yield _findings(collector, evidence, mapping, now, held)


def _findings(
    collector: Collector,
    evidence: Evidence,
    mapping: SyncMapping,
    now: datetime,
    held: ExitStack,
) -> Findings:
    run, outcome = evidence.run, evidence.outcome
    without_ids = lacking_ids(run, outcome, mapping)
    if not needs_lineage(run, outcome, mapping):
        return Findings(run, outcome, undecidable=without_ids)
    try:
        lineage = held.enter_context(collector.lineage(evidence, now=now))
    except Exception as exc:  # noqa: BLE001 - for any error, other syncs can be decided
        in_need = {sync.key: exc for sync in needing_lineage(run, outcome, mapping)}
        return Findings(run, outcome, undecidable={**in_need, **without_ids})
    return Findings(run, outcome, lineage, without_ids)
