"""The alerts that a transaction opens and resolves about what it records itself.

Each function is called after the states of its syncs are derived, and before tallies are added.
"""

from collections.abc import Iterator
from datetime import datetime

import msgspec

from relay.channels import Event
from relay.dbt.runs import DbtRun
from relay.decision.gates import Reason
from relay.decision.plan import Plan, Verdict
from relay.messages.alerts import (
    DBT_RUN,
    SYNC_RUN,
    TRIGGER,
    Detail,
    Sighting,
    dbt_run_subject,
    kept_models,
)
from relay.notation import short_message
from relay.store.alerts import open_alerts, resolve
from relay.store.transactions import Connection
from relay.sync_runs import Outcome, SyncRun
from relay.workspaces import SyncKey

# What goes wrong in dbt. The other reasons to withhold are meant, or are over by themselves.
ALARMING = frozenset(
    {
        Reason.MODEL_FAILED,
        Reason.PARTIAL_REBUILD,
        Reason.TEST_FAILED,
        Reason.STALE_PARENT,
        Reason.RUN_CANCELLED,
    }
)
_COMPLETED = frozenset({Outcome.COMPLETED, Outcome.COMPLETED_WITH_REJECTS})
_NOT_COMPLETED = (Event.GIVEN_UP, Event.FAILING)


def given_up(
    connection: Connection, dbt_account_id: int, dbt_run_id: int, problem: str, at: datetime
) -> None:
    """A dbt run is not evaluated any more, or some syncs could not be decided."""
    sighting = Sighting(
        event=Event.GIVEN_UP,
        detail=Detail(what=DBT_RUN, problem=short_message(problem)),
        subject=dbt_run_subject(dbt_account_id, dbt_run_id),
        dbt_run=(dbt_account_id, dbt_run_id),
    )
    open_alerts(connection, [sighting], at)


def planned(connection: Connection, run: DbtRun, plan: Plan, at: datetime) -> None:
    """A dbt run is decided on: what that resolves, and the syncs that it withholds."""
    resolve(
        connection,
        [Event.WITHHELD],
        [verdict.sync.key for verdict in plan.due],
        at=at,
        subject=None if plan.undecided else dbt_run_subject(*run.key),
        run_finished_at=run.finished_at,
    )
    if plan.undecided:
        given_up(connection, *run.key, plan.problem or "", at)
    withheld = [verdict for verdict in plan.withheld if verdict.reason in ALARMING]
    if withheld:
        flowing = _flowed_before(connection, run, [verdict.sync.key for verdict in withheld])
        changed = [verdict for verdict in withheld if verdict.sync.key in flowing]
        open_alerts(connection, [_withheld(run, verdict) for verdict in changed], at)


def ended(
    connection: Connection,
    sync: SyncKey,
    attempt_id: int,
    outcome: Outcome,
    run: SyncRun | None,
    *,
    rejects_over: float,
    http_status: int | None,
    at: datetime,
) -> None:
    """An attempt, or its sync run, has ended."""
    if outcome in _COMPLETED:
        _completed(connection, sync, attempt_id, run, rejects_over, at)
    elif (failure := _failure(outcome, run, http_status)) is not None:
        _open(connection, sync, attempt_id, *failure, at)


def _completed(
    connection: Connection,
    sync: SyncKey,
    attempt_id: int,
    run: SyncRun | None,
    rejects_over: float,
    at: datetime,
) -> None:
    share = _rejected_share(run)
    if share <= rejects_over:
        resolve(connection, [*_NOT_COMPLETED, Event.REJECTS], [sync], at=at)
        return
    resolve(connection, _NOT_COMPLETED, [sync], at=at)
    detail = Detail(share=share, over=rejects_over)
    _open(connection, sync, attempt_id, Event.REJECTS, detail, at)


def _open(
    connection: Connection,
    sync: SyncKey,
    attempt_id: int,
    event: Event,
    detail: Detail,
    at: datetime,
) -> None:
    """Open an alert with the attempt's sync run, and the newest of the dbt runs it answers."""
    row = connection.execute(_CAUSES, (attempt_id,)).fetchone()
    sighting = Sighting(
        event=event,
        detail=msgspec.structs.replace(detail, sync_run_id=row and row[0]),
        sync=sync,
        dbt_run=None if row is None or row[1] is None else (row[1], row[2]),
    )
    open_alerts(connection, [sighting], at)


def _rejected_share(run: SyncRun | None) -> float:
    """Of the processed records; 0 if Census reports no counts."""
    if run is None:
        return 0.0
    bad = (run.records_failed or 0) + (run.records_invalid or 0)
    # Whether Census counts invalid records as processed is not documented.
    return bad / max(run.records_processed or 0, bad) if bad else 0.0


def _failure(
    outcome: Outcome, run: SyncRun | None, http_status: int | None
) -> tuple[Event, Detail] | None:
    match outcome:
        case Outcome.FAILED | Outcome.CANCELED:
            code = short_message(run.error_code) if run and run.error_code else ""
            return Event.FAILING, Detail(what=outcome, error_code=code)
        case Outcome.ABANDONED:
            return Event.GIVEN_UP, Detail(what=SYNC_RUN)
        case Outcome.REFUSED:
            return Event.GIVEN_UP, Detail(what=TRIGGER, http_status=http_status)
        case _:
            return None


def _withheld(run: DbtRun, verdict: Verdict) -> Sighting:
    return Sighting(
        event=Event.WITHHELD,
        detail=Detail(reason=verdict.reason, models=kept_models(tuple(_culprits(verdict)))),
        sync=verdict.sync.key,
        dbt_run=run.key,
    )


def _culprits(verdict: Verdict) -> Iterator[str]:
    """The models; instead of a view, what it reads."""
    for model in verdict.models:
        yield from verdict.through.get(model) or (model,)


def _flowed_before(connection: Connection, run: DbtRun, syncs: list[SyncKey]) -> frozenset[SyncKey]:
    """Those that an earlier dbt run or a person has triggered, and no later one."""
    workspaces, sync_ids = [key[0] for key in syncs], [key[1] for key in syncs]
    given = (workspaces, sync_ids, *run.key, run.finished_at, *run.key)
    rows = connection.execute(_FLOWED_BEFORE, given)
    return frozenset((workspace, sync_id) for workspace, sync_id in rows)


# dbt runs may be evaluated in another order than they ended: caught up, or replayed.
_FLOWED_BEFORE = """
SELECT workspace, sync_id
FROM unnest(%s::text[], %s::bigint[]) AS keys (workspace, sync_id)
WHERE EXISTS (
    SELECT FROM relay.triggers
    WHERE (triggers.workspace, triggers.sync_id) = (keys.workspace, keys.sync_id)
      AND (dbt_account_id, dbt_run_id) IS DISTINCT FROM (%s::bigint, %s::bigint)
) AND NOT EXISTS (
    SELECT FROM relay.triggers
    WHERE (triggers.workspace, triggers.sync_id) = (keys.workspace, keys.sync_id)
      AND covers_until > %s AND (dbt_account_id, dbt_run_id) <> (%s, %s)
)
"""
_CAUSES = """
SELECT sync_run_id, dbt_account_id, dbt_run_id
FROM relay.sync_runs LEFT JOIN LATERAL (
    SELECT dbt_account_id, dbt_run_id FROM relay.triggers
    WHERE triggers.attempt_id = sync_runs.attempt_id AND dbt_run_id IS NOT NULL
    ORDER BY dbt_run_id DESC LIMIT 1
) AS newest ON true
WHERE attempt_id = %s
"""
