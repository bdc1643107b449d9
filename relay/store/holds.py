"""Holds: while one is open, the triggers of its syncs wait, and no sync run is started.

A hold is of one sync, of all syncs of a workspace, or of all. Each is opened and released by
itself: a sync is held while any of them is open.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from relay.store import jobs
from relay.store.transactions import Connection, Transactions, every, one
from relay.workspaces import SyncKey


class Scope(StrEnum):
    """What a hold holds."""

    SYNC = "sync"
    WORKSPACE = "workspace"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class HoldScope:
    """A sync, all syncs of a workspace (`sync_id` is None), or all syncs (both are None)."""

    workspace: str | None
    sync_id: int | None

    @property
    def kind(self) -> Scope:
        """Which of the three it is."""
        if self.sync_id is not None:
            return Scope.SYNC
        return Scope.ALL if self.workspace is None else Scope.WORKSPACE

    def covers(self, sync: SyncKey) -> bool:
        """Whether a sync is part of it."""
        return self.workspace in (None, sync[0]) and self.sync_id in (None, sync[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A hold; `until` is None if only a person ends it, `by` is who set it.

    `released_by` is None while it is open, and if its time was up.
    """

    hold_id: int
    workspace: str | None
    sync_id: int | None
    since: datetime
    until: datetime | None
    why: str | None
    by: str
    released_by: str | None

    @property
    def scope(self) -> HoldScope:
        """What it holds."""
        return HoldScope(self.workspace, self.sync_id)


@dataclass(frozen=True, slots=True)
class Underway:
    """What a new hold does not stop: sync runs being started, and running ones."""

    starting: int
    running: int


@dataclass(frozen=True, slots=True)
class Ended:
    """A hold that has ended, and how many triggers waited for it."""

    hold: Hold
    triggers: int


class Holds(Transactions):
    """The open holds, and those that ended lately."""

    def hold(
        self, scope: HoldScope, *, until: datetime | None, why: str | None, by: str, now: datetime
    ) -> tuple[Hold, Underway]:
        """Hold the syncs of a scope; if they are held by it already, change that hold.

        Afterwards no attempt begins: those that are being recorded are waited for.
        """
        key = (scope.workspace, scope.sync_id)
        with self._transaction() as connection:
            hold = one(connection, Hold, _HOLD, (*key, now, until, why, by))
            assert hold is not None
            if until is not None:
                _schedule_end(connection, hold.hold_id, until)
            underway = one(connection, Underway, _UNDERWAY, key)
            assert underway is not None
            return hold, underway

    def release(self, scope: HoldScope, *, by: str, now: datetime) -> Hold | None:
        """End the open hold of exactly this scope, with the job that starts what waits.

        None if there is none.
        """
        key = (scope.workspace, scope.sync_id)
        with self._transaction() as connection:
            hold = one(connection, Hold, _RELEASE, (now, by, *key, now))
            if hold is not None:
                _schedule_end(connection, hold.hold_id, None)
            return hold

    def end(self, hold_id: int, *, now: datetime) -> Ended | None:
        """Start the triggers that waited for a hold, if it is over; None if it is not.

        A hold that was extended meanwhile is looked at again at its new end. So is one whose end
        has come on the database's clock only, which starts this job.
        """
        with self._transaction() as connection:
            hold = one(connection, Hold, _END, (now, hold_id, now))
            if hold is None:
                _look_again(connection, hold_id, now)
                return None
            waiting = connection.execute(_WAITED, (hold.until, hold.workspace, hold.sync_id))
            syncs = waiting.fetchall()
            jobs.start_sync_runs(
                connection, [(workspace, sync_id) for workspace, sync_id, _ in syncs]
            )
            return Ended(hold, sum(triggers for _, _, triggers in syncs))

    def open(self, *, now: datetime) -> tuple[Hold, ...]:
        """Every open hold; those that end last first."""
        with self._statement() as connection:
            return tuple(every(connection, Hold, _OPEN, (now,)))

    def open_on(self, workspace: str, sync_id: int, *, now: datetime) -> Hold | None:
        """The open hold of a sync that ends last; None if it is not held."""
        with self._statement() as connection:
            return hold_on(connection, workspace, sync_id, now)

    def of_decision(
        self, workspace: str, sync_id: int, dbt_run_id: int, *, now: datetime
    ) -> Hold | None:
        """The hold that the trigger of a decision waited for, or waits for, the newest of them.

        For a decision without a trigger: the hold that was open when it was made.
        """
        key = (workspace, sync_id)
        with self._statement() as connection:
            return one(connection, Hold, _OF_DECISION, (now, *key, dbt_run_id, *key))


def open_hold(hold_of: Sequence[Hold], sync: SyncKey) -> Hold | None:
    """The first of these holds that holds a sync, or None."""
    return next((hold for hold in hold_of if hold.scope.covers(sync)), None)


def blocking_hold_on(
    connection: Connection, workspace: str, sync_id: int, now: datetime
) -> Hold | None:
    """What `hold_on` returns; no hold is recorded before this transaction ends.

    It waits for one that is being recorded. An attempt that was not held is then committed before
    `relay hold` returns. Transactions that begin attempts do not wait for each other.
    """
    connection.execute("LOCK TABLE relay.holds IN SHARE MODE")
    return hold_on(connection, workspace, sync_id, now)


def hold_on(connection: Connection, workspace: str, sync_id: int, now: datetime) -> Hold | None:
    """The open hold of a sync that ends last; None if it is not held."""
    return one(connection, Hold, _OPEN_ON, (now, workspace, sync_id))


def _schedule_end(connection: Connection, hold_id: int, at: datetime | None) -> None:
    jobs.defer(connection, jobs.END_HOLD, {"hold_id": hold_id}, at=at, queue=jobs.HOLDS_QUEUE)


def _look_again(connection: Connection, hold_id: int, now: datetime) -> None:
    found = connection.execute(_NEXT_LOOK, (now, hold_id)).fetchone()
    if found is not None:
        _schedule_end(connection, hold_id, found[0])


_COLUMNS = "hold_id, workspace, sync_id, since, until, why, held_by AS by, released_by"
# A hold whose time is up, or that was released, counts as over before a worker has recorded its
# end; a released one also where the clock of the machine that released it is ahead.
_IS_OPEN = "ended_at IS NULL AND released_by IS NULL AND (until IS NULL OR until > %s)"
# INSERT conflicts with the lock of `blocking_hold_on`.
_HOLD = f"""
INSERT INTO relay.holds AS open (workspace, sync_id, since, until, why, held_by)
VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (coalesce(workspace, ''), coalesce(sync_id, 0)) WHERE ended_at IS NULL
DO UPDATE SET
    since = CASE WHEN open.until <= EXCLUDED.since OR open.released_by IS NOT NULL
        THEN EXCLUDED.since ELSE open.since END,
    until = EXCLUDED.until, why = EXCLUDED.why, held_by = EXCLUDED.held_by, released_by = NULL
RETURNING {_COLUMNS}
"""
_UNDERWAY = """
SELECT count(*) FILTER (WHERE sync_run_id IS NULL AND sent_at IS NOT NULL) AS starting,
       count(*) FILTER (WHERE sync_run_id IS NOT NULL) AS running
FROM relay.sync_runs
WHERE ended_at IS NULL
  AND workspace = coalesce(%s, workspace) AND sync_id = coalesce(%s, sync_id)
"""
_RELEASE = f"""
UPDATE relay.holds SET until = %s, released_by = %s
WHERE coalesce(workspace, '') = coalesce(%s, '') AND coalesce(sync_id, 0) = coalesce(%s, 0)
  AND {_IS_OPEN}
RETURNING {_COLUMNS}
"""
_END = f"""
UPDATE relay.holds SET ended_at = %s
WHERE hold_id = %s AND ended_at IS NULL AND (until <= %s OR released_by IS NOT NULL)
RETURNING {_COLUMNS}
"""
_NEXT_LOOK = """
SELECT CASE WHEN until > clock_timestamp() THEN until ELSE clock_timestamp() + (until - %s) END
FROM relay.holds WHERE hold_id = %s AND ended_at IS NULL AND until IS NOT NULL
"""
# Also those that a job, which was queued meanwhile, has sent since the hold was over.
_WAITED = """
SELECT workspace, sync_id, count(*)
FROM relay.triggers LEFT JOIN relay.sync_runs USING (attempt_id, workspace, sync_id)
WHERE (attempt_id IS NULL OR begun_at >= %s)
  AND workspace = coalesce(%s, workspace) AND sync_id = coalesce(%s, sync_id)
GROUP BY workspace, sync_id
"""
_OPEN = f"SELECT {_COLUMNS} FROM relay.holds WHERE {_IS_OPEN} ORDER BY until DESC NULLS FIRST"
_OPEN_ON = f"""
SELECT {_COLUMNS} FROM relay.holds
WHERE {_IS_OPEN} AND (workspace IS NULL OR workspace = %s) AND (sync_id IS NULL OR sync_id = %s)
ORDER BY until DESC NULLS FIRST LIMIT 1
"""
_OF_DECISION = f"""
SELECT {_COLUMNS} FROM relay.holds, (
    SELECT decisions.decided_at AS opens, CASE
        WHEN trigger_id IS NULL THEN decisions.decided_at ELSE coalesce(begun_at, %s) END
        AS closes
    FROM relay.decisions
    LEFT JOIN relay.triggers USING (workspace, sync_id, dbt_account_id, dbt_run_id)
    LEFT JOIN relay.sync_runs USING (attempt_id, workspace, sync_id)
    WHERE (workspace, sync_id, dbt_run_id) = (%s, %s, %s)
      AND superseded IS NOT TRUE
) AS decided
WHERE (holds.workspace IS NULL OR holds.workspace = %s)
  AND (holds.sync_id IS NULL OR holds.sync_id = %s)
  AND since <= closes AND (until IS NULL OR until > opens)
ORDER BY until DESC NULLS FIRST LIMIT 1
"""
