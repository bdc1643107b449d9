"""The decisions on one dbt run, as its page shows them."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import msgspec

from relay.dashboard.listing import choice_in, sync_in
from relay.dashboard.visit import Visit
from relay.decision.gates import GATES, Reason
from relay.notation import printable
from relay.store.pages.dbt_run import DECIDED, MOST_MODELS, DecidedSync, DecisionFilter
from relay.workspaces import DEFAULT_WORKSPACE, SyncKey

ROWS = 100  # of a page
LONGEST_SEEN = 2000  # characters: it may name every model of a sync
AFTER = "after"  # the parameter with the last sync of the page before


class Condition(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A condition as judged: whether it holds, the first of the models that object, what was seen.

    `seen` is printable, and cut.
    `holds` and `seen` are None if the version of relay that decided did not judge it.
    """

    reason: str
    holds: bool | None
    models: Sequence[str]
    model_count: int
    seen: str | None


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The decision on a sync, and what came of it; the fields are those of DecidedSync.

    `name` is the sync's in the mapping file, None if it has none.
    """

    workspace: str
    sync_id: int
    name: str | None
    decision: str
    reason: str
    decided_at: datetime
    models: Sequence[str]
    model_count: int
    through: Mapping[str, Sequence[str]]
    conditions: Sequence[Condition]
    due_at: datetime | None
    held_until: datetime | None
    attempt_id: int | None
    sync_run_id: int | None
    sent_at: datetime | None
    ended_at: datetime | None
    sync_run: str | None
    problem: str | None
    lag: float | None
    explain: str


class DecisionsShown(msgspec.Struct, frozen=True, kw_only=True):
    """Decisions by workspace and sync; `following` is the query for the next ones, or None."""

    rows: Sequence[Decision]
    following: str | None


def decisions_of(visit: Visit, dbt_run_id: int) -> DecisionsShown:
    """Filters: `decision`, `reason`; `after` is the position. Raises BadRequest."""
    wanted = DecisionFilter(
        decision=choice_in(visit.query, "decision", DECIDED),
        reason=choice_in(visit.query, "reason", tuple(Reason)),
        after=sync_in(visit.query, AFTER),
    )
    found = visit.pages.dbt_run.decisions(
        visit.account_id, dbt_run_id, wanted, now=visit.now, rows=ROWS + 1
    )
    names = {} if visit.mapping is None else {sync.key: sync.name for sync in visit.mapping.syncs}
    rows = [_decision(row, dbt_run_id, names) for row in found[:ROWS]]
    return DecisionsShown(rows=rows, following=_following(visit.query, rows, len(found)))


def _following(query: Mapping[str, str], rows: Sequence[Decision], found: int) -> str | None:
    if found <= ROWS:
        return None
    kept = {name: query[name] for name in ("decision", "reason") if query.get(name)}
    return urlencode({**kept, AFTER: f"{rows[-1].workspace}/{rows[-1].sync_id}"})


def _decision(row: DecidedSync, dbt_run_id: int, names: Mapping[SyncKey, str | None]) -> Decision:
    return Decision(
        workspace=row.workspace,
        sync_id=row.sync_id,
        name=names.get((row.workspace, row.sync_id)),
        decision=row.decision,
        reason=row.reason,
        decided_at=row.decided_at,
        models=row.models,
        model_count=row.model_count,
        through={view: row.through[view] for view in row.models if view in row.through},
        conditions=_conditions(row.conditions),
        due_at=row.due_at,
        held_until=row.held_until,
        attempt_id=row.attempt_id,
        sync_run_id=row.sync_run_id,
        sent_at=row.sent_at,
        ended_at=row.ended_at,
        sync_run=row.sync_run,
        problem=row.problem,
        lag=row.lag,
        explain=_explain(row.workspace, row.sync_id, dbt_run_id),
    )


def _conditions(stored: Iterable[Sequence[Any]]) -> Sequence[Condition]:
    """All conditions in the order in which they are judged, then those that are no longer."""
    judged = {
        reason: Condition(
            reason=reason,
            holds=bool(models),
            models=models[:MOST_MODELS],
            model_count=len(models),
            seen=printable(seen)[:LONGEST_SEEN],
        )
        for reason, models, seen in stored
    }
    order = dict.fromkeys((*_ORDER, *judged))
    return [judged.get(reason) or _not_judged(reason) for reason in order]


_ORDER = tuple(gate.reason.value for gate in GATES)


def _not_judged(reason: str) -> Condition:
    return Condition(reason=reason, holds=None, models=(), model_count=0, seen=None)


def _explain(workspace: str, sync_id: int, dbt_run_id: int) -> str:
    line = f"relay explain --run {dbt_run_id} --sync {sync_id}"
    if workspace == DEFAULT_WORKSPACE:
        return line
    return f"{line} --workspace {shlex.quote(workspace)}"
