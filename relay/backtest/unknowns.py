"""Which decisions depend on what happened before the time that is looked at. No I/O here."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from relay.decision.case import Case
from relay.decision.gates import Reason
from relay.decision.mapping import Sync
from relay.decision.plan import Verdict


class Unknown(StrEnum):
    """What a decision might have needed to know, and is not known.

    `earlier_builds`: a model was last built before the window. `earlier_trigger`: a cool-down may
    have begun before it. `retried_run`: the run retries one that ended before it. `unread_run`: a
    run could not be read that may have built or triggered something.
    """

    EARLIER_BUILDS = "earlier_builds"
    EARLIER_TRIGGER = "earlier_trigger"
    RETRIED_RUN = "retried_run"
    UNREAD_RUN = "unread_run"


# The reasons that hold whatever happened before: these gates look at the run alone.
_CERTAIN = frozenset(
    {
        *(Reason.SYNC_DISABLED, Reason.JOB_NOT_LISTED, Reason.ENVIRONMENT_NOT_LISTED),
        *(Reason.RUN_CANCELLED, Reason.SAMPLE_RUN, Reason.MODEL_FAILED),
        *(Reason.PARTIAL_REBUILD, Reason.TEST_FAILED, Reason.STALE_PARENT),
    }
)


@dataclass(frozen=True, slots=True)
class Known:
    """What a replay knows: since when, and which dbt runs, read and unread."""

    since: datetime
    dbt_run_ids: Collection[int]
    has_unread_runs: bool


def unknowns_of(case: Case, verdict: Verdict, known: Known) -> tuple[Unknown, ...]:
    """What the verdict might have needed to know; empty if it would be the same anyway."""
    return tuple(_unknowns(case, verdict, known))


def _unknowns(case: Case, verdict: Verdict, known: Known) -> Iterator[Unknown]:
    retried = {run.dbt_run_id for run in case.findings.run.retried_runs}
    if not retried.issubset(known.dbt_run_ids):
        yield Unknown.RETRIED_RUN
    if verdict.reason in _CERTAIN:
        return
    sync = verdict.sync
    if _lacks_builds(case, verdict):
        yield Unknown.EARLIER_BUILDS
    if _may_cool_down(case, verdict, known.since):
        yield Unknown.EARLIER_TRIGGER
    if known.has_unread_runs and (sync.needs_earlier_builds or sync.at_most_every):
        yield Unknown.UNREAD_RUN


def _lacks_builds(case: Case, verdict: Verdict) -> bool:
    sync = verdict.sync
    if verdict.reason is Reason.WAITING_FOR_MODELS:
        # One that is certainly missing withholds the sync, whatever is unknown of the others.
        return all(case.last_build(model, sync) is None for model in verdict.models)
    return sync.checks_parents and any(_is_unknown(case, node) for node in _stored(case, sync))


def _stored(case: Case, sync: Sync) -> frozenset[str]:
    return case.findings.models_of(sync) - case.findings.lineage.views.keys()


def _is_unknown(case: Case, node: str) -> bool:
    return node not in case.findings.standings and not case.history.builds.get(node)


def _may_cool_down(case: Case, verdict: Verdict, since: datetime) -> bool:
    sync = verdict.sync
    if sync.at_most_every is None or verdict.reason is not Reason.REBUILT:
        return False
    has_run = case.history.of(sync).triggered_at is not None
    return not has_run and case.now - since < timedelta(seconds=sync.at_most_every)
