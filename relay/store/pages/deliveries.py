"""Deliveries, and what became of each."""

import uuid
from datetime import datetime

import msgspec
from msgspec import structs

from relay.store.pages.listing import Before, Rows, newest
from relay.store.transactions import Transactions

BECAME = ("planned", "recorded", "given up", "repeated", "ignored")


class DeliveryRow(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery; `became` is one of BECAME.

    Ids and names are None where the delivery, or dbt Cloud, did not say them; `why` is why it was
    ignored or given up.
    """

    received_at: datetime
    delivery_id: uuid.UUID
    event_id: str | None
    became: str
    why: str | None
    dbt_run_id: int | None
    dbt_job_id: int | None
    job_name: str | None
    run_status: str | None


class DeliveryFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which deliveries; None for any."""

    became: str | None = None
    dbt_job_id: int | None = None
    since: datetime | None = None


class DeliveryPages(Transactions):
    """The deliveries for the dashboard."""

    def newest(
        self, wanted: DeliveryFilter, *, before: Before | None, rows: int
    ) -> Rows[DeliveryRow]:
        """The newest of these deliveries."""
        with self._statement() as connection:
            return newest(
                connection,
                DeliveryRow,
                (_NEWEST, _LAST_SCANNED),
                structs.asdict(wanted),
                before=before,
                rows=rows,
                key_of=lambda row: (row.received_at, str(row.delivery_id)),
            )


_WHERE = """
FROM relay.deliveries
WHERE (%(at)s::timestamptz IS NULL OR (received_at, delivery_id) < (%(at)s, %(row_id)s::uuid))
  AND (%(since)s::timestamptz IS NULL OR received_at >= %(since)s)
ORDER BY received_at DESC, delivery_id DESC
"""
_NEWEST = f"""
SELECT received_at, delivery_id, event_id, became, why, dbt_run_id, dbt_job_id, job_name, run_status
FROM (
    SELECT received_at, scanned.delivery_id, scanned.event_id, dbt_run_id, dbt_job_id, job_name,
           status AS run_status,
           CASE WHEN ignored_because IS NOT NULL THEN 'ignored'
                WHEN runs.delivery_id IS DISTINCT FROM scanned.delivery_id THEN 'repeated'
                WHEN planned_at IS NOT NULL THEN 'planned'
                WHEN given_up_at IS NOT NULL THEN 'given up'
                ELSE 'recorded' END AS became,
           coalesce(ignored_because, problem) AS why
    FROM (SELECT * {_WHERE} LIMIT %(scanned)s) AS scanned
    LEFT JOIN LATERAL (
        SELECT delivery_id, planned_at, given_up_at, problem, dbt_job_id, job_name, status
        FROM relay.dbt_runs
        WHERE (dbt_runs.dbt_account_id, dbt_runs.dbt_run_id)
            = (scanned.dbt_account_id, scanned.dbt_run_id)
        LIMIT 1 -- it cannot be joined in another way, which could read every run
    ) AS runs ON true
) AS read
WHERE (%(became)s::text IS NULL OR became = %(became)s)
  AND (%(dbt_job_id)s::bigint IS NULL OR dbt_job_id = %(dbt_job_id)s)
ORDER BY received_at DESC, delivery_id DESC LIMIT %(rows)s
"""
_LAST_SCANNED = f"SELECT received_at, delivery_id {_WHERE} OFFSET %(skipped)s LIMIT 1"
