"""The dbt runs that no delivery told of, and how far dbt Cloud's list of runs has been read."""

from collections.abc import Sequence
from datetime import datetime

from relay.dbt.runs import FinishedRun
from relay.store import jobs
from relay.store.transactions import Transactions


class CatchUps(Transactions):
    """What was found in the list of an account's finished runs."""

    def begin(self, dbt_account_id: int, *, now: datetime) -> None:
        """Note relay's first start: only what ends from then on is caught up."""
        with self._statement() as connection:
            connection.execute(
                "INSERT INTO relay.catch_ups VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
                (dbt_account_id, now, now),
            )

    def begun(self, dbt_account_id: int) -> tuple[datetime, datetime] | None:
        """When relay was first started, and until when the list was read; None: it never was."""
        with self._statement() as connection:
            return connection.execute(
                """
                SELECT first_started_at, read_until FROM relay.catch_ups WHERE dbt_account_id = %s
                """,
                (dbt_account_id,),
            ).fetchone()

    def take(
        self, dbt_account_id: int, runs: Sequence[FinishedRun], *, read_until: datetime
    ) -> tuple[FinishedRun, ...]:
        """Record those of the runs that are not known, with a job for each; return them.

        The list is read until then.
        """
        with self._transaction() as connection:
            rows = connection.execute(
                """
                INSERT INTO relay.dbt_runs (dbt_account_id, dbt_run_id)
                SELECT %s, unnest(%s::bigint[]) ON CONFLICT DO NOTHING RETURNING dbt_run_id
                """,
                (dbt_account_id, [run.dbt_run_id for run in runs]),
            )
            new = {dbt_run_id for (dbt_run_id,) in rows}
            for dbt_run_id in sorted(new):
                jobs.examine(connection, dbt_account_id, dbt_run_id)
            connection.execute(
                "UPDATE relay.catch_ups SET read_until = %s WHERE dbt_account_id = %s",
                (read_until, dbt_account_id),
            )
        return tuple(run for run in runs if run.dbt_run_id in new)

    def last_delivery(self) -> datetime | None:
        """When the newest delivery came; None: none is known."""
        with self._statement() as connection:
            row = connection.execute("SELECT max(received_at) FROM relay.deliveries").fetchone()
            return row[0] if row else None
