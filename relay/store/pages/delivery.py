"""One delivery with its body, and what followed from it."""

import uuid
from datetime import datetime

import msgspec

from relay.store.transactions import Transactions, one

LONGEST_BODY = 2**16  # bytes that are read


class DeliveryDetails(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery, and its run as recorded.

    `body` is its beginning, `body_bytes` how long it is. `first_delivery_id` is the delivery that
    reported the run first; None if none did, or the run is not recorded. The times and ids of the
    run are None if it is not recorded, or where dbt Cloud does not say them.
    """

    delivery_id: uuid.UUID
    received_at: datetime
    event_id: str | None
    dbt_account_id: int | None
    dbt_run_id: int | None
    ignored_because: str | None
    body: bytes
    body_bytes: int
    is_recorded: bool
    first_delivery_id: uuid.UUID | None
    finished_at: datetime | None
    planned_at: datetime | None
    given_up_at: datetime | None
    problem: str | None
    dbt_job_id: int | None
    job_name: str | None
    run_status: str | None


class Effects(msgspec.Struct, frozen=True, kw_only=True):
    """What a dbt run has led to: decisions, triggers, and how many of these were sent and ended.

    The times are those of the first POST and of the last end, None before.
    """

    decided: int
    triggers: int
    sent: int
    ended: int
    first_sent_at: datetime | None
    last_ended_at: datetime | None


class DeliveryDetailPages(Transactions):
    """One delivery for the dashboard."""

    def find(self, delivery_id: uuid.UUID) -> DeliveryDetails | None:
        """The delivery; None if there is none, or it was deleted."""
        with self._statement() as connection:
            return one(connection, DeliveryDetails, _DELIVERY, (delivery_id,))

    def effects(self, dbt_account_id: int, dbt_run_id: int) -> Effects:
        """What its run has led to."""
        key = (dbt_account_id, dbt_run_id)
        with self._statement() as connection:
            effects = one(connection, Effects, _EFFECTS, (*key, *key))
            assert effects is not None
            return effects


_DELIVERY = f"""
SELECT deliveries.delivery_id, received_at, deliveries.event_id, dbt_account_id, dbt_run_id,
       ignored_because, substring(body FROM 1 FOR {LONGEST_BODY}) AS body,
       octet_length(body) AS body_bytes, runs.recorded_at IS NOT NULL AS is_recorded,
       runs.delivery_id AS first_delivery_id, finished_at, planned_at, given_up_at, problem,
       dbt_job_id, job_name, status AS run_status
FROM relay.deliveries LEFT JOIN relay.dbt_runs AS runs USING (dbt_account_id, dbt_run_id)
WHERE deliveries.delivery_id = %s
"""
_EFFECTS = """
SELECT (SELECT count(*) FROM relay.decisions WHERE (dbt_account_id, dbt_run_id) = (%s, %s))
           AS decided,
       count(*) AS triggers, count(sync_runs.attempt_id) AS sent, count(ended_at) AS ended,
       min(coalesce(sent_at, begun_at)) AS first_sent_at,
       max(coalesce(completed_at, ended_at)) AS last_ended_at
FROM relay.triggers LEFT JOIN relay.sync_runs USING (attempt_id)
WHERE (dbt_account_id, dbt_run_id) = (%s, %s) AND NOT superseded
"""
