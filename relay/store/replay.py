"""Having a dbt run examined again, and what stays as it is then."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from relay.store.jobs import examine
from relay.store.transactions import Connection, every, one


class Replayed(StrEnum):
    """What asking for a run to be examined comes to."""

    DUE = "due"
    UNDER_WAY = "under_way"  # it is being examined anyway


class Redo(StrEnum):
    """What a replay may trigger once more."""

    NOTHING = "nothing"  # a sync that was triggered for the run is left alone
    EVERYTHING = "everything"


@dataclass(frozen=True, slots=True, kw_only=True)
class Triggered:
    """A sync that was triggered for a run; `sync_run_id` is None where its run is yet to start."""

    workspace: str
    sync_id: int
    sync_run_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A delivery and the run it told of; `ignored_because` is None for one that told of one."""

    dbt_run_id: int | None
    ignored_because: str | None


def replay(connection: Connection, dbt_account_id: int, dbt_run_id: int, redo: Redo) -> Replayed:
    """Have a run examined and decided again, or for the first time if nobody told of it.

    `connection` is in autocommit: this is one transaction.
    """
    key = (dbt_account_id, dbt_run_id)
    with connection.transaction():
        due = connection.execute(
            """
            INSERT INTO relay.dbt_runs (dbt_account_id, dbt_run_id) VALUES (%s, %s)
            ON CONFLICT (dbt_account_id, dbt_run_id)
            DO UPDATE SET planned_at = NULL, given_up_at = NULL, faults = 0, paused = 0,
                          problem = NULL
            WHERE coalesce(relay.dbt_runs.given_up_at, relay.dbt_runs.planned_at) IS NOT NULL
            """,
            key,
        )
        if due.rowcount == 0:
            return Replayed.UNDER_WAY
        connection.execute(
            f"UPDATE relay.triggers SET is_redone = true WHERE trigger_id IN ({_REDONE})",
            (*key, redo),
        )
        examine(connection, *key)
        return Replayed.DUE


def left_alone(
    connection: Connection, dbt_account_id: int, dbt_run_id: int, redo: Redo
) -> tuple[Triggered, ...]:
    """The syncs that a replay of the run would not trigger: they were, or are about to be."""
    sql = f"""
        SELECT workspace, sync_id, sync_run_id
        FROM relay.triggers LEFT JOIN relay.sync_runs USING (attempt_id, workspace, sync_id)
        WHERE (dbt_account_id, dbt_run_id) = (%s, %s) AND NOT is_redone
          AND trigger_id NOT IN ({_REDONE})
        ORDER BY workspace, sync_id
        """
    key = (dbt_account_id, dbt_run_id)
    return tuple(every(connection, Triggered, sql, (*key, *key, redo)))


# What Census refused was no trigger. What waits is going to be sent in any case.
_REDONE = """
SELECT trigger_id FROM relay.triggers JOIN relay.sync_runs USING (attempt_id)
WHERE (dbt_account_id, dbt_run_id) = (%s, %s) AND NOT is_redone
  AND (outcome IS NOT DISTINCT FROM 'refused' OR %s = 'everything')
"""


def is_recorded(connection: Connection, dbt_account_id: int, dbt_run_id: int) -> bool:
    """Whether a delivery, catching up or a person told of the run."""
    rows = connection.execute(
        "SELECT FROM relay.dbt_runs WHERE (dbt_account_id, dbt_run_id) = (%s, %s)",
        (dbt_account_id, dbt_run_id),
    )
    return rows.rowcount > 0


def run_of_delivery(connection: Connection, delivery_id: uuid.UUID) -> Told | None:
    """What a delivery told of; None if there is no such delivery (any more)."""
    sql = "SELECT dbt_run_id, ignored_because FROM relay.deliveries WHERE delivery_id = %s"
    return one(connection, Told, sql, (delivery_id,))


def runs_recorded(
    connection: Connection, dbt_account_id: int, *, since: datetime, until: datetime
) -> tuple[int, ...]:
    """The runs that were delivered, caught up or first replayed in a time, in that order."""
    rows = connection.execute(
        """
        SELECT dbt_run_id FROM relay.dbt_runs
        WHERE dbt_account_id = %s AND recorded_at >= %s AND recorded_at < %s
        ORDER BY recorded_at, dbt_run_id
        """,
        (dbt_account_id, since, until),
    )
    return tuple(dbt_run_id for (dbt_run_id,) in rows)
