"""What a dbt run did, with the manifest where a decision needs it: for worker and commands."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from relay.decision.findings import Findings, needs_lineage
from relay.decision.mapping import SyncMapping
from relay.evidence.collect import Collector


@contextmanager
def findings_of(
    collector: Collector, dbt_run_id: int, mapping: SyncMapping, *, now: datetime
) -> Iterator[Findings]:
    """Collect what a run did; a large manifest is let go of when the block ends.

    Raises Unavailable (also for what is not there yet), Rejected, BadArtifact.
    """
    evidence = collector.collect(dbt_run_id)
    run, outcome = evidence.run, evidence.outcome
    if not needs_lineage(run, outcome, mapping):
        yield Findings(run, outcome)
        return
    with collector.lineage(evidence, now=now) as lineage:
        yield Findings(run, outcome, lineage)
