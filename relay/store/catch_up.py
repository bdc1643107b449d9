"""The dbt runs whose webhook was missed, and up to when dbt Cloud's list of runs was read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from relay.dbt.runs import FinishedRun
from relay.store import jobs
from relay.store.tallies import add_tallies, count
from relay.store.transactions import Transactions, one


@dataclass(frozen=True, slots=True)
class CatchUpProgress:
    """When relay first started for an account, and up to when its list of runs was read."""

    first_started_at: datetime
    read_until: datetime


class CatchUps(Transactions):
    """The progress of catch-up, per dbt account."""

    def begin(self, dbt_account_id: int, *, now: datetime) -> None:
        """Record relay's first start: only runs that end after it are caught up."""
        with self._statement() as connection:
            connection.execute(
                """
                INSERT INTO relay.catch_ups (dbt_account_id, first_started_at, read_until)
                VALUES (%s, %s, %s) ON CONFLICT DO NOTHING
                """,
                (dbt_account_id, now, now),
            )

    def progress(self, dbt_account_id: int) -> CatchUpProgress | None:
        """Up to when the account's list was read; None if relay never started for it."""
        with self._statement() as connection:
            return one(
                connection,
                CatchUpProgress,
                """
                SELECT first_started_at, read_until FROM relay.catch_ups WHERE dbt_account_id = %s
                """,
                (dbt_account_id,),
            )

    def last_read_until(self) -> datetime | None:
        """Up to when any account's list was last read; None if it never was."""
        with self._statement() as connection:
            row = connection.execute(
                "SELECT max(read_until) FROM relay.catch_ups WHERE read_until > first_started_at"
            ).fetchone()
            return row[0] if row else None

    def record_missed(
        self, dbt_account_id: int, runs: Sequence[FinishedRun], *, read_until: datetime
    ) -> tuple[FinishedRun, ...]:
        """Record the runs that are not known yet, with a job for each, and return them.

        `read_until` is up to when the list has been read.
        """
        with self._transaction() as connection:
            rows = connection.execute(
                """
                INSERT INTO relay.dbt_runs (dbt_account_id, dbt_run_id, source)
                SELECT %s, unnest(%s::bigint[]), 'catch_up'
                ON CONFLICT DO NOTHING RETURNING dbt_run_id
                """,
                (dbt_account_id, [run.dbt_run_id for run in runs]),
            )
            new = {dbt_run_id for (dbt_run_id,) in rows}
            for dbt_run_id in sorted(new):
                jobs.evaluate_dbt_run(connection, dbt_account_id, dbt_run_id)
            connection.execute(
                "UPDATE relay.catch_ups SET read_until = %s WHERE dbt_account_id = %s",
                (read_until, dbt_account_id),
            )
            add_tallies(connection, [count("relay_caught_up_runs_total", len(new))])
        return tuple(run for run in runs if run.dbt_run_id in new)
