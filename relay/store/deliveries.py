"""Deliveries as they came, and the dbt runs they are about."""

import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg

from relay.errors import DatabaseUnavailable
from relay.store import jobs
from relay.store.transactions import Transactions, one

USUAL_BODY = 1500  # bytes; dbt Cloud's are under 1 kB


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A genuine delivery. Ids are None where the body has none.

    `ignored_because` is None for one that is about a finished run of our account.
    """

    delivery_id: uuid.UUID
    body: bytes
    event_id: str | None = None
    dbt_account_id: int | None = None
    dbt_run_id: int | None = None
    ignored_because: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveredRun:
    """The run that a delivery is about; `ignored_because` is None for one that was not ignored."""

    dbt_run_id: int | None
    ignored_because: str | None


class Deliveries(Transactions):
    """The deliveries, and the dbt runs they are about."""

    def record(self, deliveries: Sequence[Delivery]) -> frozenset[uuid.UUID]:
        """Record deliveries and their runs, with a job for each new run, in one statement.

        Returns the ids of those that brought a new run: the others were ignored, or are repeats of
        an event or of a run, also of one in the same batch.
        """
        with self._statement() as connection:
            rows = connection.execute(
                _RECORD_DELIVERIES,
                (
                    [delivery.delivery_id for delivery in deliveries],
                    [delivery.event_id for delivery in deliveries],
                    [delivery.dbt_account_id for delivery in deliveries],
                    [delivery.dbt_run_id for delivery in deliveries],
                    [delivery.ignored_because for delivery in deliveries],
                    [delivery.body for delivery in deliveries],
                    jobs.QUEUE,
                    jobs.EVALUATE_DBT_RUN,
                ),
            )
            return frozenset(delivery_id for (delivery_id,) in rows)

    def check_writable(self) -> None:
        """Store a delivery and roll it back, to find out whether deliveries can be stored.

        Raises DatabaseUnavailable where the server refuses, too: for a full disk, or because it is
        a read-only standby.
        """
        try:
            with self._statement() as connection, connection.transaction(force_rollback=True):
                connection.execute(
                    "INSERT INTO relay.deliveries (delivery_id, ignored_because, body)"
                    " VALUES (%s, 'rehearsal', %s)",
                    (uuid.uuid4(), os.urandom(USUAL_BODY)),
                )
        except psycopg.Error as exc:
            raise DatabaseUnavailable(f"PostgreSQL stores nothing: {exc}") from exc

    def find_run(self, delivery_id: uuid.UUID) -> DeliveredRun | None:
        """The run of a delivery; None if there is no such delivery (any more)."""
        sql = "SELECT dbt_run_id, ignored_because FROM relay.deliveries WHERE delivery_id = %s"
        with self._statement() as connection:
            return one(connection, DeliveredRun, sql, (delivery_id,))

    def last_received_at(self) -> datetime | None:
        """When the newest delivery came; None if none is known."""
        with self._statement() as connection:
            row = connection.execute("SELECT max(received_at) FROM relay.deliveries").fetchone()
            return row[0] if row else None


_RECORD_DELIVERIES = f"""
WITH recorded AS (
    INSERT INTO relay.deliveries
        (delivery_id, event_id, dbt_account_id, dbt_run_id, ignored_because, body)
    SELECT * FROM unnest(
        %s::uuid[], %s::text[], %s::bigint[], %s::bigint[], %s::text[], %s::bytea[])
    ON CONFLICT (event_id) WHERE ignored_because IS NULL DO NOTHING
    RETURNING delivery_id, event_id, dbt_account_id, dbt_run_id, ignored_because
), new_runs AS (
    INSERT INTO relay.dbt_runs (dbt_account_id, dbt_run_id, delivery_id, event_id)
    SELECT dbt_account_id, dbt_run_id, delivery_id, event_id FROM recorded
    WHERE ignored_because IS NULL
    ON CONFLICT DO NOTHING
    RETURNING delivery_id, dbt_account_id, dbt_run_id
), jobs AS (
    SELECT {jobs.DEFER_ALL} FROM (
        SELECT ROW(
            %s, %s, 0, NULL, NULL,
            jsonb_build_object('dbt_account_id', dbt_account_id, 'dbt_run_id', dbt_run_id),
            NULL
        ){jobs.AS_A_JOB}
        FROM new_runs
    ) AS due
    HAVING count(*) > 0
)
SELECT delivery_id FROM new_runs, jobs
"""
