"""One dbt run: every sync's decision, its models and steps, and when what happened."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import msgspec
from werkzeug.exceptions import NotFound

from relay.dashboard.drawings.timeline import Moment, SyncTime, Timeline, timeline
from relay.dashboard.listing import id_in
from relay.dashboard.pages.run_decisions import Decision, DecisionsShown, decisions_of
from relay.dashboard.pages.run_models import RunModels, RunStep, models_in, steps_in
from relay.dashboard.visit import Visit
from relay.store.pages.dbt_run import DbtRunDetails, RunDelivery, RunFacts
from relay.workspaces import display_id

MOST_LANES = 20


class RunHead(RunFacts, frozen=True, kw_only=True):
    """What is known of the run; `retries` and `retried_by` are recorded ones of its retry chain."""

    retries: Sequence[int]
    retried_by: Sequence[int]


class DbtRunPage(msgspec.Struct, frozen=True, kw_only=True):
    """A run; `steps` and `models` are None if they are not recorded.

    `reasons` is how many decisions have each reason, whatever is shown of them. `models_from` and
    `others_from` are how many models the page leaves out before those that it shows.
    """

    run: RunHead
    deliveries: Sequence[RunDelivery]
    steps: Sequence[RunStep] | None
    models: RunModels | None
    models_from: int
    others_from: int
    reasons: Mapping[str, int]
    decisions: DecisionsShown
    shown_at: datetime

    @property
    def lanes(self) -> Sequence[Decision]:
        """The decisions of the timeline: those shown that have led to a trigger, or will."""
        triggered = [row for row in self.decisions.rows if row.decision != "withheld"]
        return triggered[:MOST_LANES]

    @property
    def moments(self) -> Sequence[Moment]:
        """What happened to the run, as far as it is known."""
        return tuple(self._moments())

    @property
    def drawing(self) -> Timeline | None:
        """The timeline; None if nothing is known to draw."""
        if not self.moments:
            return None
        return timeline(self.moments, [_sync_time(row) for row in self.lanes], self.shown_at)

    def _moments(self) -> Iterator[Moment]:
        reported = [each for each in self.deliveries if each.ignored_because is None]
        if self.run.finished_at is not None:
            yield Moment("dbt run ended", self.run.finished_at)
        if reported:
            yield Moment("delivered", reported[0].received_at)
        else:
            yield Moment("recorded", self.run.recorded_at)
        if self.run.planned_at is not None:
            yield Moment("examined and decided", self.run.planned_at)
        if self.run.given_up_at is not None:
            yield Moment("given up", self.run.given_up_at)


def view(visit: Visit, dbt_run_id: int) -> DbtRunPage:
    """Raises NotFound, BadRequest."""
    pages = visit.pages.dbt_run
    run = pages.find(visit.account_id, dbt_run_id)
    if run is None:
        raise NotFound("relay knows no such dbt run, or it is older than what relay keeps.")
    return DbtRunPage(
        run=_head(run),
        deliveries=pages.deliveries(visit.account_id, dbt_run_id),
        steps=None if run.steps is None else steps_in(run.steps),
        models=None if run.models is None else models_in(run.models),
        models_from=id_in(visit.query, "models") or 0,
        others_from=id_in(visit.query, "others") or 0,
        reasons=pages.reasons(visit.account_id, dbt_run_id),
        decisions=decisions_of(visit, dbt_run_id),
        shown_at=visit.now,
    )


def _head(run: DbtRunDetails) -> RunHead:
    facts = {name: getattr(run, name) for name in RunFacts.__struct_fields__}
    return RunHead(
        **facts,
        retries=[other for other in run.chain if other < run.dbt_run_id],
        retried_by=[other for other in run.chain if other > run.dbt_run_id],
    )


def _sync_time(row: Decision) -> SyncTime:
    return SyncTime(
        label=str(display_id(row.workspace, row.sync_id)),
        state=row.sync_run or row.decision,
        decided_at=row.decided_at,
        sent_at=row.sent_at,
        ended_at=row.ended_at,
    )
