"""A dbt run, from its delivery to its plan."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from relay.dbt.runs import DbtRun
from relay.decision.history import History
from relay.decision.mapping import SyncMapping
from relay.decision.plan import Plan
from relay.store.decisions import record_builds, record_decisions, triggered_for
from relay.store.history import read_history
from relay.store.jobs import evaluate_dbt_run
from relay.store.transactions import Connection, Transactions, one


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRun:
    """A dbt run as recorded.

    Its evaluation failed `failures` times, with pauses of `backoff_spent` seconds in all.
    """

    dbt_account_id: int
    dbt_run_id: int
    event_id: str | None
    recorded_at: datetime
    failures: int
    backoff_spent: float
    planned_at: datetime | None
    given_up_at: datetime | None

    @property
    def is_done(self) -> bool:
        return self.planned_at is not None or self.given_up_at is not None


class DbtRuns(Transactions):
    """The dbt runs that were delivered, and what was decided on them."""

    def get(self, dbt_account_id: int, dbt_run_id: int) -> RecordedRun | None:
        """A recorded dbt run; None if there is none."""
        with self._statement() as connection:
            return one(
                connection,
                RecordedRun,
                """
                SELECT dbt_account_id, dbt_run_id, event_id, recorded_at, failures,
                       backoff_spent, planned_at, given_up_at
                FROM relay.dbt_runs WHERE (dbt_account_id, dbt_run_id) = (%s, %s)
                """,
                (dbt_account_id, dbt_run_id),
            )

    def record_plan(
        self,
        run: DbtRun,
        mapping: SyncMapping,
        looks_back_at: Collection[str],
        decide: Callable[[History], Plan],
        *,
        now: datetime,
    ) -> Plan | None:
        """Decide on a run and record the plan, with a job for every sync to trigger.

        `decide` is told what was decided before, and of the earlier builds of the nodes that it
        looks back at; nothing that could matter to it is decided meanwhile. What was triggered
        already, where the run is replayed, is no part of the plan. None if another job was
        faster: then nothing was changed.
        """
        key = (run.dbt_account_id, run.dbt_run_id)
        with self._transaction() as connection:
            _let_nothing_else_be_decided(connection, run, mapping)
            updated = connection.execute(
                """
                UPDATE relay.dbt_runs
                SET planned_at = %s, dbt_job_id = %s, environment_id = %s, first_run_id = %s,
                    problem = NULL
                WHERE (dbt_account_id, dbt_run_id) = (%s, %s)
                  AND planned_at IS NULL AND given_up_at IS NULL
                """,
                (now, run.dbt_job_id, run.environment_id, run.first_run_id, *key),
            )
            if updated.rowcount == 0:
                return None
            plan = decide(read_history(connection, run, mapping, looks_back_at))
            plan = plan.without(triggered_for(connection, *key))
            record_decisions(connection, run, plan, now)
            record_builds(connection, run, plan)
        return plan

    def evaluate_again(
        self, run: RecordedRun, *, now: datetime, backoff: timedelta, problem: str
    ) -> None:
        """Record what went wrong, and evaluate the run again after the backoff."""
        with self._transaction() as connection:
            connection.execute(
                """
                UPDATE relay.dbt_runs
                SET problem = %s, failures = failures + 1, backoff_spent = backoff_spent + %s
                WHERE (dbt_account_id, dbt_run_id) = (%s, %s)
                """,
                (problem, backoff.total_seconds(), run.dbt_account_id, run.dbt_run_id),
            )
            evaluate_dbt_run(connection, run.dbt_account_id, run.dbt_run_id, at=now + backoff)

    def give_up(self, run: RecordedRun, *, now: datetime, problem: str) -> None:
        """Stop trying to evaluate the run: a person may replay it."""
        with self._transaction() as connection:
            connection.execute(
                """
                UPDATE relay.dbt_runs SET problem = %s, given_up_at = %s
                WHERE (dbt_account_id, dbt_run_id) = (%s, %s) AND planned_at IS NULL
                """,
                (problem, now, run.dbt_account_id, run.dbt_run_id),
            )


def _let_nothing_else_be_decided(connection: Connection, run: DbtRun, mapping: SyncMapping) -> None:
    """Until the transaction ends, wait for those whose decisions bear on each other.

    Two runs that each rebuild one of two models that a sync waits for, or a run and its retry,
    may be examined in the same moment: neither would see the other.
    """
    locks = [f"relay/attempts_at/{run.dbt_account_id}/{run.first_run_id}"]
    if mapping.looks_back:
        locks.insert(0, f"relay/decisions/{run.dbt_account_id}")
    for lock in locks:
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (lock,))
