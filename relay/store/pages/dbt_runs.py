"""dbt runs, and what became of each."""

from datetime import datetime

import msgspec
from msgspec import structs

from relay.store.pages.listing import Before, Rows, newest
from relay.store.transactions import Transactions

NEVER_COUNTS = "never counts"
BECAME = ("planned", "given up", "recorded", NEVER_COUNTS)
STATUSES = ("success", "error", "cancelled")

# What became of a row of relay.dbt_runs; one of BECAME.
BECAME_OF_RUN = f"""
CASE WHEN given_up_at IS NOT NULL THEN 'given up'
     WHEN planned_at IS NULL THEN 'recorded'
     WHEN never_counts IS NOT NULL THEN '{NEVER_COUNTS}'
     ELSE 'planned' END
"""


class DbtRunRow(msgspec.Struct, frozen=True, kw_only=True):
    """A dbt run; `became` is one of BECAME.

    What dbt Cloud has not said yet, or does not say, is None; so are `rebuilt` and `failed`, counts
    of models, for runs of earlier versions. `triggered` and `withheld` are counts of decisions;
    `examined_after` is from the run's end until it was planned, in seconds.
    """

    recorded_at: datetime
    finished_at: datetime | None
    dbt_run_id: int
    dbt_job_id: int | None
    job_name: str | None
    environment_id: int | None
    environment_name: str | None
    cause: str | None
    status: str | None
    source: str
    became: str
    never_counts: str | None
    problem: str | None
    rebuilt: int | None
    failed: int | None
    examined_after: float | None
    triggered: int
    withheld: int


class DbtRunFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which runs of an account; None for any."""

    dbt_account_id: int
    became: str | None = None
    status: str | None = None
    dbt_job_id: int | None = None
    environment_id: int | None = None
    since: datetime | None = None


class DbtRunPages(Transactions):
    """The dbt runs for the dashboard."""

    def newest(self, wanted: DbtRunFilter, *, before: Before | None, rows: int) -> Rows[DbtRunRow]:
        """The newest of these runs: those that were recorded last."""
        with self._statement() as connection:
            return newest(
                connection,
                DbtRunRow,
                (_NEWEST, _LAST_SCANNED),
                structs.asdict(wanted),
                before=before,
                rows=rows,
                key_of=lambda row: (row.recorded_at, str(row.dbt_run_id)),
            )


_WHERE = """
FROM relay.dbt_runs
WHERE (%(at)s::timestamptz IS NULL OR (recorded_at, dbt_run_id) < (%(at)s, %(row_id)s::bigint))
  AND (%(since)s::timestamptz IS NULL OR recorded_at >= %(since)s)
ORDER BY recorded_at DESC, dbt_run_id DESC
"""
_NEWEST = f"""
SELECT recorded_at, finished_at, shown.dbt_run_id, dbt_job_id, job_name, environment_id,
       environment_name, cause, status, source, became, never_counts, problem,
       (models -> 'counts' ->> 'rebuilt')::bigint AS rebuilt,
       (models -> 'counts' ->> 'failed')::bigint AS failed,
       extract(epoch FROM planned_at - finished_at)::double precision AS examined_after,
       triggered, withheld
FROM (
    SELECT * FROM (SELECT *, {BECAME_OF_RUN} AS became {_WHERE} LIMIT %(scanned)s) AS scanned
    WHERE dbt_account_id = %(dbt_account_id)s
      AND (%(became)s::text IS NULL OR became = %(became)s)
      AND (%(status)s::text IS NULL OR status = %(status)s)
      AND (%(dbt_job_id)s::bigint IS NULL OR dbt_job_id = %(dbt_job_id)s)
      AND (%(environment_id)s::bigint IS NULL OR environment_id = %(environment_id)s)
    ORDER BY recorded_at DESC, dbt_run_id DESC LIMIT %(rows)s
) AS shown
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE reason = 'rebuilt') AS triggered,
           count(*) FILTER (WHERE reason <> 'rebuilt') AS withheld
    FROM relay.decisions
    WHERE (decisions.dbt_account_id, decisions.dbt_run_id)
        = (shown.dbt_account_id, shown.dbt_run_id)
) AS decided
ORDER BY recorded_at DESC, shown.dbt_run_id DESC
"""
_LAST_SCANNED = f"SELECT recorded_at, dbt_run_id {_WHERE} OFFSET %(skipped)s LIMIT 1"
