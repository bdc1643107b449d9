"""Webhook deliveries as received, and the dbt runs they are about."""

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
    """A verified delivery. Ids are None if the body has none.

    `ignored_because` is None if the delivery is about a finished run of our account.
    """

    delivery_id: uuid.UUID
    body: bytes
    event_id: str | None = None
    dbt_account_id: int | None = None
    dbt_run_id: int | None = None
    ignored_because: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveredRun:
    """The run of a delivery; `ignored_because` is None if the delivery was not ignored."""

    dbt_run_id: int | None
    ignored_because: str | None


class Deliveries(Transactions):
    """The deliveries, and the dbt runs they are about."""

    def record(self, deliveries: Sequence[Delivery]) -> frozenset[uuid.UUID]:
        """Record deliveries and their runs, with a job for each new run, in one statement.

        Returns the ids of the deliveries with a new run. The others were ignored, or repeat an
        event or a run, possibly one of the same batch.
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
        """Check that deliveries can be stored: insert one and roll it back.

        Raises DatabaseUnavailable also if the server refuses, for a full disk or as a read-only
        standby.
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
        """The run of a delivery; None if there is no such delivery, or it was deleted."""
        sql = "SELECT dbt_run_id, ignored_because FROM relay.deliveries WHERE delivery_id = %s"
        with self._statement() as connection:
            return one(connection, DeliveredRun, sql, (delivery_id,))

    def last_received_at(self) -> datetime | None:
        """When the newest delivery was received; None if there is none."""
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
