"""Deliveries as they came, and the dbt runs they tell of."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from relay.store import jobs
from relay.store.transactions import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A genuine delivery. Ids are None where the body tells none.

    `ignored_because` is None for one that is about a finished run of our account.
    """

    delivery_id: uuid.UUID
    body: bytes
    event_id: str | None = None
    dbt_account_id: int | None = None
    dbt_run_id: int | None = None
    ignored_because: str | None = None


def record_deliveries(
    connection: Connection, deliveries: Sequence[Delivery]
) -> frozenset[uuid.UUID]:
    """Record deliveries and the runs they tell of, with a job for each new run, in one commit.

    `connection` is in autocommit: the one statement is the transaction. Returns the ids of
    those that brought a new run: the others were ignored, or are repeats of an event or of a
    run, also of one in the same batch.
    """
    rows = connection.execute(
        _RECORD_DELIVERIES,
        (
            [each.delivery_id for each in deliveries],
            [each.event_id for each in deliveries],
            [each.dbt_account_id for each in deliveries],
            [each.dbt_run_id for each in deliveries],
            [each.ignored_because for each in deliveries],
            [each.body for each in deliveries],
            jobs.QUEUE,
            jobs.RELAY_RUN,
        ),
    )
    return frozenset(delivery_id for (delivery_id,) in rows)


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
