"""A dbt run, from its delivery to its plan."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from procrastinate.types import JSONDict
from psycopg.types.json import Jsonb

from relay import queue
from relay.dbt_runs import DbtRun
from relay.mapping import Sync
from relay.plan import Answered, AnsweredSyncs, Plan, Reason
from relay.store.attempts import run_sync
from relay.store.transactions import Connection, Transactions, one


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRun:
    """A dbt run as recorded. `failing_since`: since when asking the vendor has been failing."""

    dbt_account_id: int
    dbt_run_id: int
    event_id: str | None
    recorded_at: datetime
    failing_since: datetime | None
    planned_at: datetime | None
    given_up_at: datetime | None

    @property
    def is_done(self) -> bool:
        return self.planned_at is not None or self.given_up_at is not None


class Replayed(StrEnum):
    """What asking for a run to be examined comes to."""

    DUE = "due"  # it will be: nobody had told of it, or it had been given up
    UNDER_WAY = "under_way"
    DECIDED = "decided"


def replay(connection: Connection, dbt_account_id: int, dbt_run_id: int) -> Replayed:
    """Have a run examined that was given up, or that no delivery told of; else change nothing.

    `connection` is in autocommit: this is one transaction.
    """
    key = (dbt_account_id, dbt_run_id)
    with connection.transaction():
        due = connection.execute(
            """
            INSERT INTO relay.dbt_runs (dbt_account_id, dbt_run_id) VALUES (%s, %s)
            ON CONFLICT (dbt_account_id, dbt_run_id)
            DO UPDATE SET given_up_at = NULL, failing_since = NULL, problem = NULL
            WHERE relay.dbt_runs.given_up_at IS NOT NULL
            """,
            key,
        )
        if due.rowcount:
            _examine(connection, *key)
            return Replayed.DUE
        row = connection.execute(
            """
            SELECT planned_at IS NOT NULL FROM relay.dbt_runs
            WHERE (dbt_account_id, dbt_run_id) = (%s, %s)
            """,
            key,
        ).fetchone()
    return Replayed.DECIDED if row == (True,) else Replayed.UNDER_WAY


class DbtRuns(Transactions):
    """The dbt runs that were delivered, and what was decided on them."""

    def get(self, dbt_account_id: int, dbt_run_id: int) -> RecordedRun | None:
        """A recorded dbt run; None if there is none."""
        with self._transaction() as connection:
            return one(
                connection,
                RecordedRun,
                """
                SELECT dbt_account_id, dbt_run_id, event_id, recorded_at, failing_since,
                       planned_at, given_up_at
                FROM relay.dbt_runs WHERE (dbt_account_id, dbt_run_id) = (%s, %s)
                """,
                (dbt_account_id, dbt_run_id),
            )

    def record_plan(
        self,
        run: DbtRun,
        decide: Callable[[AnsweredSyncs], Plan],
        *,
        first_run_id: int,
        now: datetime,
    ) -> Plan | None:
        """Decide on a run and record the plan, with a job for every sync to trigger.

        `first_run_id` is the run it goes back to, by retries; itself where it retries none.
        `decide` is told what the other attempts that go back to it have triggered; none of them
        is decided meanwhile. None if another job was faster: then nothing was changed.
        """
        key = (run.dbt_account_id, run.dbt_run_id)
        with self._transaction() as connection:
            _let_no_other_attempt_be_decided(connection, run.dbt_account_id, first_run_id)
            updated = connection.execute(
                """
                UPDATE relay.dbt_runs
                SET planned_at = %s, dbt_job_id = %s, environment_id = %s, first_run_id = %s,
                    problem = NULL
                WHERE (dbt_account_id, dbt_run_id) = (%s, %s)
                  AND planned_at IS NULL AND given_up_at IS NULL
                """,
                (now, run.dbt_job_id, run.environment_id, first_run_id, *key),
            )
            if updated.rowcount == 0:
                return None
            plan = decide(_answered(connection, run, first_run_id))
            _insert(connection, run, plan, now)
        return plan

    def examine_again(self, run: RecordedRun, *, at: datetime, now: datetime, problem: str) -> None:
        """Note what went wrong and look at the run again at `at`."""
        with self._transaction() as connection:
            connection.execute(
                """
                UPDATE relay.dbt_runs SET problem = %s, failing_since = coalesce(failing_since, %s)
                WHERE (dbt_account_id, dbt_run_id) = (%s, %s)
                """,
                (problem, now, run.dbt_account_id, run.dbt_run_id),
            )
            _examine(connection, run.dbt_account_id, run.dbt_run_id, at=at)

    def give_up(self, run: RecordedRun, *, now: datetime, problem: str) -> None:
        """Stop looking at the run: a person may have it examined again."""
        with self._transaction() as connection:
            connection.execute(
                """
                UPDATE relay.dbt_runs SET problem = %s, given_up_at = %s
                WHERE (dbt_account_id, dbt_run_id) = (%s, %s) AND planned_at IS NULL
                """,
                (problem, now, run.dbt_account_id, run.dbt_run_id),
            )


def _examine(
    connection: Connection, dbt_account_id: int, dbt_run_id: int, *, at: datetime | None = None
) -> None:
    arguments: JSONDict = {"dbt_account_id": dbt_account_id, "dbt_run_id": dbt_run_id}
    queue.defer(connection, queue.RELAY_RUN, arguments, at=at)


def _let_no_other_attempt_be_decided(
    connection: Connection, dbt_account_id: int, first_run_id: int
) -> None:
    """Until the transaction ends. A run and its retry may be examined in the same moment."""
    connection.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))",
        (f"relay/attempts_at/{dbt_account_id}/{first_run_id}",),
    )


def _answered(connection: Connection, run: DbtRun, first_run_id: int) -> AnsweredSyncs:
    """What the other attempts that go back to the same first run have triggered."""
    rows = connection.execute(
        """
        SELECT workspace, sync_id, dbt_run_id, because
        FROM relay.triggers JOIN relay.dbt_runs USING (dbt_account_id, dbt_run_id)
        WHERE dbt_account_id = %s AND first_run_id = %s AND dbt_run_id <> %s
        """,
        (run.dbt_account_id, first_run_id, run.dbt_run_id),
    ).fetchall()
    before: dict[tuple[str, int], set[str]] = {}
    since: dict[tuple[str, int], set[str]] = {}
    for workspace, sync_id, dbt_run_id, because in rows:
        which = before if dbt_run_id < run.dbt_run_id else since
        which.setdefault((workspace, sync_id), set()).update(because)
    return {
        sync: Answered(frozenset(before.get(sync, ())), frozenset(since.get(sync, ())))
        for sync in before | since
    }


def _insert(connection: Connection, run: DbtRun, plan: Plan, now: datetime) -> None:
    key = (run.dbt_account_id, run.dbt_run_id)
    connection.cursor().executemany(
        "INSERT INTO relay.decisions VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        [
            (
                *(sync.workspace, sync.sync_id, *key, reason),
                *(list(models), Jsonb(plan.through(models)), now),
            )
            for sync, reason, models in _decisions(plan)
        ],
    )
    for trigger in plan.triggers:
        sync = trigger.sync
        connection.execute(
            """
            INSERT INTO relay.triggers (workspace, sync_id, dbt_account_id, dbt_run_id,
                                        full_sync, because, through, requested_at)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
            """,
            (
                *(sync.workspace, sync.sync_id, *key, sync.full_sync),
                *(list(trigger.models), Jsonb(plan.through(trigger.models)), now),
            ),
        )
        run_sync(connection, sync.workspace, sync.sync_id)


def _decisions(plan: Plan) -> Iterator[tuple[Sync, Reason, tuple[str, ...]]]:
    for trigger in plan.triggers:
        yield trigger.sync, Reason.REBUILT, trigger.models
    for held in plan.withheld:
        yield held.sync, held.reason, held.models
