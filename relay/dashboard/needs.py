"""What needs somebody: what relay gave up, and syncs whose tool is wrong or held."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

import msgspec

from relay.dashboard.sync_rows import FAILING, HELD, STALE, WITHHELD, SyncRow
from relay.store.holds import Hold
from relay.store.pages.overview import MOST_COUNTED, MOST_LISTED, Attention
from relay.workspaces import SyncKey

GIVEN_UP_DBT_RUNS, GIVEN_UP_SYNC_RUNS = "given up dbt runs", "given up sync runs"


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """A thing that needs somebody. What it is not about is None.

    `because` is a reason code or another word of relay's, `detail` the problem in words. A hold
    without a sync is of its workspace, or of all.
    """

    since: datetime | None
    because: str
    detail: str | None = None
    dbt_run_id: int | None = None
    attempt_id: int | None = None
    sync_run_id: int | None = None
    workspace: str | None = None
    sync_id: int | None = None
    sync_name: str | None = None


class Needs(msgspec.Struct, frozen=True, kw_only=True):
    """All of one kind: how many (`more` than were counted?), and the first MOST_LISTED.

    The kinds of syncs are states of the list of syncs, and `count` counts them; the items of
    `held` are the holds.
    """

    kind: str
    count: int
    more: bool
    items: Sequence[Need]


def needs_of(
    rows: Sequence[SyncRow],
    attention: Attention,
    holds: Sequence[Hold],
    names: Mapping[SyncKey, str | None],
) -> tuple[Needs, ...]:
    """Every kind of which there is something; `rows` are all syncs, the worst first."""
    found = (
        _counted(GIVEN_UP_DBT_RUNS, attention.given_up_runs_count, list(_dbt_runs(attention))),
        _counted(
            GIVEN_UP_SYNC_RUNS,
            attention.given_up_sync_runs_count,
            list(_sync_runs(attention, names)),
        ),
        _syncs(rows, STALE, _stale),
        _syncs(rows, FAILING, _failing),
        _syncs(rows, WITHHELD, _withheld),
        _held(rows, holds, names),
    )
    return tuple(needs for needs in found if needs.items)


def _counted(kind: str, count: int, items: Sequence[Need]) -> Needs:
    more = count > MOST_COUNTED
    return Needs(kind=kind, count=min(count, MOST_COUNTED), more=more, items=items)


def _dbt_runs(attention: Attention) -> Iterator[Need]:
    for run in attention.given_up_runs:
        yield Need(
            since=run.given_up_at,
            because="given up",
            detail=run.problem,
            dbt_run_id=run.dbt_run_id,
        )


def _sync_runs(attention: Attention, names: Mapping[SyncKey, str | None]) -> Iterator[Need]:
    for run in attention.given_up_sync_runs:
        yield Need(
            since=run.ended_at,
            because=run.outcome,
            detail=run.problem,
            dbt_run_id=run.dbt_run_id,
            attempt_id=run.attempt_id,
            sync_run_id=run.sync_run_id,
            workspace=run.workspace,
            sync_id=run.sync_id,
            sync_name=names.get((run.workspace, run.sync_id)),
        )


def _syncs(rows: Sequence[SyncRow], state: str, need_of: Callable[[SyncRow], Need]) -> Needs:
    found = [row for row in rows if row.is_in(state)]
    return _counted(state, len(found), [need_of(row) for row in found[:MOST_LISTED]])


def _stale(row: SyncRow) -> Need:
    return _need(row, because=row.freshness.because or STALE)


def _failing(row: SyncRow) -> Need:
    detail = f"{row.freshness.failures} failures in a row"
    return _need(row, because=row.freshness.last_outcome or FAILING, detail=detail)


def _withheld(row: SyncRow) -> Need:
    assert row.withheld is not None
    return Need(
        since=row.withheld.decided_at,
        because=row.withheld.reason,
        dbt_run_id=row.withheld.dbt_run_id,
        workspace=row.freshness.workspace,
        sync_id=row.freshness.sync_id,
        sync_name=row.freshness.name,
    )


def _need(row: SyncRow, *, because: str, detail: str | None = None) -> Need:
    return Need(
        since=row.freshness.behind_since,
        because=because,
        detail=detail,
        dbt_run_id=row.freshness.dbt_run_id,
        workspace=row.freshness.workspace,
        sync_id=row.freshness.sync_id,
        sync_name=row.freshness.name,
    )


def _held(
    rows: Sequence[SyncRow], holds: Sequence[Hold], names: Mapping[SyncKey, str | None]
) -> Needs:
    count = sum(row.is_in(HELD) for row in rows)
    return _counted(HELD, count, [_hold(hold, names) for hold in holds[:MOST_LISTED]])


def _hold(hold: Hold, names: Mapping[SyncKey, str | None]) -> Need:
    key = (hold.workspace or "", hold.sync_id or 0)
    until = "until released" if hold.until is None else f"until {hold.until:%Y-%m-%d %H:%M} UTC"
    why = f": {hold.why}" if hold.why else ""
    return Need(
        since=hold.since,
        because=HELD,
        detail=f"by {hold.by}, {until}{why}",
        workspace=hold.workspace,
        sync_id=hold.sync_id,
        sync_name=names.get(key),
    )
