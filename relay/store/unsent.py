"""Triggers that end without a POST to Census: those of a dry run, and those of a disabled sync."""

from datetime import datetime

from relay.store.holds import Hold, blocking_hold_on
from relay.store.mode import Mode
from relay.store.sync_states import refresh
from relay.store.transactions import Connection, Transactions
from relay.store.triggers import (
    Causes,
    LockedTriggers,
    Which,
    assign,
    causes_of,
    lock_waiting,
    start_waiting_triggers,
)


class UnsentTriggers(Transactions):
    """Ends waiting triggers. Those that are left are started next."""

    def rehearse(
        self, workspace: str, sync_id: int, mode: Mode, *, now: datetime
    ) -> Causes | Hold | None:
        """End the waiting triggers as those of a dry run, and return them; None if none waits.

        In dry run these are all, otherwise those that a dry run has added: it is over, and they
        trigger nothing any more. A hold is returned if the sync is held, and nothing is changed.
        """
        which = Which.ALL if mode is Mode.DRY_RUN else Which.OF_DRY_RUN
        with self._transaction() as connection:
            if (hold := blocking_hold_on(connection, workspace, sync_id, now)) is not None:
                return hold
            waiting = lock_waiting(connection, workspace, sync_id, now=now, which=which)
            ended = (workspace, sync_id, waiting.full_sync, now, now, now)
            return _end(connection, waiting, _REHEARSE, ended)

    def drop(self, workspace: str, sync_id: int, *, now: datetime) -> Causes | None:
        """End the waiting triggers of dbt runs, whose sync is disabled; None if none waits.

        They count as not triggered. Manual triggers are left.
        """
        with self._transaction() as connection:
            waiting = lock_waiting(connection, workspace, sync_id, now=now, which=Which.OF_DBT_RUNS)
            ended = (workspace, sync_id, waiting.full_sync, now, now)
            return _end(connection, waiting, _DROP, ended)


def _end(
    connection: Connection, waiting: LockedTriggers, insert: str, ended: tuple[object, ...]
) -> Causes | None:
    if not waiting.trigger_ids:
        return None
    row = connection.execute(insert, ended).fetchone()
    assert row is not None
    (attempt_id, workspace, sync_id) = row
    assign(connection, attempt_id, waiting)
    start_waiting_triggers(connection, workspace, sync_id)
    refresh(connection, [(workspace, sync_id)])
    return causes_of(connection, attempt_id)


# It counts as triggered: a dry run shows cool-downs as they will be.
_REHEARSE = """
INSERT INTO relay.sync_runs
    (workspace, sync_id, full_sync, begun_at, triggered_at, ended_at, outcome)
VALUES (%s, %s, %s, %s, %s, %s, 'dry_run') RETURNING attempt_id, workspace, sync_id
"""
_DROP = """
INSERT INTO relay.sync_runs (workspace, sync_id, full_sync, begun_at, ended_at, outcome)
VALUES (%s, %s, %s, %s, %s, 'disabled') RETURNING attempt_id, workspace, sync_id
"""
