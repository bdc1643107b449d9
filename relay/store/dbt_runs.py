"""Recorded dbt runs, from their delivery to their plan."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg.types.json import Jsonb

from relay.dbt.runs import DbtRun, JudgedStep
from relay.decision.history import History
from relay.decision.mapping import SyncMapping
from relay.decision.models_of_run import RunModels
from relay.decision.plan import Plan
from relay.notation import printable
from relay.store import edge_alerts, jobs, tallies
from relay.store.decisions import record_builds, record_decisions, triggered_for
from relay.store.history import read_history
from relay.store.mode import Mode
from relay.store.model_states import as_stored, record_model_states
from relay.store.sync_states import refresh
from relay.store.transactions import Connection, Transactions, one
from relay.workspaces import SyncKey


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRun:
    """A dbt run as recorded.

    `failures` is how often its evaluation failed, `backoff_spent` the total backoff in seconds.
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
    """The dbt runs that were delivered or caught up, and their decisions."""

    def get(self, dbt_account_id: int, dbt_run_id: int) -> RecordedRun | None:
        """The recorded dbt run, or None."""
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

    @contextmanager
    def begin_decision(
        self,
        run: DbtRun,
        mapping: SyncMapping,
        *,
        steps: Sequence[JudgedStep] = (),
        models: RunModels | None = None,
        now: datetime,
        mode: Mode = Mode.LIVE,
        job: jobs.RunningJob | None = None,
    ) -> Iterator["PendingDecision | None"]:
        """Open a transaction that decides on a run; related decisions wait until it ends.

        What the run says about itself is recorded, with its `steps` and what it did to `models`.
        `job` is the one that decides: it goes on with the start of the first sync run.

        None if the run is already decided.
        """
        pending = None
        with self._transaction() as connection:
            _lock_related_decisions(connection, run, mapping)
            details = {**_details(run, steps, now), "models": models and as_stored(models)}
            row = connection.execute(_PLAN, details).fetchone()
            if row is None:
                yield None
            else:
                if models is not None:
                    record_model_states(connection, run.dbt_account_id, models.states)
                pending = PendingDecision(connection, run, mapping, now, mode, row[0], job)
                yield pending
        if job is not None and pending is not None:
            job.goes_on = pending.goes_on

    def evaluate_again(
        self, run: RecordedRun, *, now: datetime, backoff: timedelta, problem: str
    ) -> None:
        """Record the failure, and evaluate the run again after the backoff."""
        with self._transaction() as connection:
            connection.execute(
                """
                UPDATE relay.dbt_runs
                SET problem = %s, failures = failures + 1, backoff_spent = backoff_spent + %s
                WHERE (dbt_account_id, dbt_run_id) = (%s, %s)
                """,
                (problem, backoff.total_seconds(), run.dbt_account_id, run.dbt_run_id),
            )
            jobs.evaluate_dbt_run(connection, run.dbt_account_id, run.dbt_run_id, at=now + backoff)

    def give_up(self, run: RecordedRun, *, now: datetime, problem: str) -> None:
        """Record that the evaluation failed after its retries; `relay replay` can repeat it."""
        with self._transaction() as connection:
            given_up = connection.execute(
                """
                UPDATE relay.dbt_runs SET problem = %s, given_up_at = %s
                WHERE (dbt_account_id, dbt_run_id) = (%s, %s) AND planned_at IS NULL
                RETURNING source
                """,
                (problem, now, run.dbt_account_id, run.dbt_run_id),
            ).fetchone()
            if given_up is not None:
                key = (run.dbt_account_id, run.dbt_run_id)
                edge_alerts.given_up(connection, *key, problem, now)
                tallies.add_tallies(connection, [_evaluated(_GIVEN_UP, given_up[0])])


class PendingDecision:
    """A run that is being decided on, within the transaction of `begin_decision`."""

    def __init__(
        self,
        connection: Connection,
        run: DbtRun,
        mapping: SyncMapping,
        now: datetime,
        mode: Mode,
        source: str,
        job: jobs.RunningJob | None,
    ) -> None:
        self.goes_on: jobs.Continuation | None = None  # what the job will be when this is committed
        self._job = job
        self._source = source
        self._connection = connection
        self._run = run
        self._mapping = mapping
        self._now = now
        self._mode = mode

    def history(self, nodes: Collection[str]) -> History:
        """Earlier decisions, and the earlier builds of these nodes."""
        return read_history(self._connection, self._run, self._mapping, nodes)

    def record(self, plan: Plan) -> Plan:
        """Record the plan, with a job for every sync to trigger, and return what was recorded.

        In a replay, syncs that were already triggered for the run are left out. A run with a sync
        that could not be decided counts as failed: `relay replay` can repeat it.
        """
        plan = plan.without(triggered_for(self._connection, self._run))
        to_start = self._left_to_start([verdict.sync.key for verdict in plan.triggers])
        with self._connection.pipeline():  # one round trip
            self._record(plan, to_start)
        return plan

    def _left_to_start(self, to_start: list[SyncKey]) -> list[SyncKey]:
        """The syncs that need a job of their own: all, or all but the first."""
        if self._job is None or not to_start:
            return to_start
        self.goes_on = jobs.continue_with_start(self._connection, self._job, *to_start[0])
        return to_start if self.goes_on is None else to_start[1:]

    def _record(self, plan: Plan, to_start: Collection[SyncKey]) -> None:
        record_decisions(self._connection, self._run, plan, self._now, self._mode)
        jobs.start_sync_runs(self._connection, to_start)
        record_builds(self._connection, self._run, plan)
        if plan.undecided:
            self._connection.execute(
                """
                UPDATE relay.dbt_runs SET planned_at = NULL, given_up_at = %s, problem = %s
                WHERE (dbt_account_id, dbt_run_id) = (%s, %s)
                """,
                (self._now, plan.problem, *self._run.key),
            )
        refresh(self._connection, [verdict.sync.key for verdict in plan.verdicts])
        edge_alerts.planned(self._connection, self._run, plan, self._now)
        tallies.add_tallies(self._connection, self._tallies(plan))

    def _tallies(self, plan: Plan) -> Iterator[tallies.Tally]:
        run = self._run
        result = _NEVER_COUNTS if run.never_counts_because else _PLANNED
        yield _evaluated(_GIVEN_UP if plan.undecided else result, self._source)
        for verdict in plan.verdicts:
            yield tallies.count("relay_decisions_total", reason=verdict.reason)
        if run.finished_at is not None:
            seconds = max((self._now - run.finished_at).total_seconds(), 0.0)
            yield from tallies.observe("relay_examine_seconds", seconds, tallies.EVALUATION_BUCKETS)


_PLANNED, _NEVER_COUNTS, _GIVEN_UP = "planned", "never_counts", "given_up"


def _evaluated(result: str, source: str) -> tallies.Tally:
    return tallies.count("relay_dbt_runs_total", result=result, source=source)


def _details(run: DbtRun, steps: Sequence[JudgedStep], now: datetime) -> dict[str, object]:
    judged = [
        {
            "index": each.step.index,
            "name": printable(each.step.name),
            "command": each.step.command and printable(each.step.command),
            "status": each.step.status,
            "counts": each.counts,
            "not_counted": each.not_counted,
        }
        for each in steps
    ]
    return {
        "dbt_account_id": run.dbt_account_id,
        "dbt_run_id": run.dbt_run_id,
        "now": now,
        "dbt_job_id": run.dbt_job_id,
        "environment_id": run.environment_id,
        "first_run_id": run.first_run_id,
        "project_id": run.project_id,
        "job_name": run.job_name,
        "environment_name": run.environment_name,
        "git_sha": run.git_sha and printable(run.git_sha),
        "status": run.status_name,
        "cause": run.cause,
        "never_counts": run.never_counts_because,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "steps": Jsonb(judged),
    }


_PLAN = """
UPDATE relay.dbt_runs
SET planned_at = %(now)s, dbt_job_id = %(dbt_job_id)s, environment_id = %(environment_id)s,
    first_run_id = %(first_run_id)s, project_id = %(project_id)s, job_name = %(job_name)s,
    environment_name = %(environment_name)s, git_sha = %(git_sha)s, status = %(status)s,
    cause = %(cause)s, never_counts = %(never_counts)s, started_at = %(started_at)s,
    finished_at = %(finished_at)s, steps = %(steps)s, models = %(models)s, problem = NULL
WHERE (dbt_account_id, dbt_run_id) = (%(dbt_account_id)s, %(dbt_run_id)s)
  AND planned_at IS NULL AND given_up_at IS NULL
RETURNING source
"""


def _lock_related_decisions(connection: Connection, run: DbtRun, mapping: SyncMapping) -> None:
    """Lock related decisions out until the transaction ends.

    Two runs that each rebuild one of two models that a sync waits for, or a run and its retry,
    may be evaluated concurrently: without the lock neither would see the other.
    """
    locks = [f"relay/retry_chain/{run.dbt_account_id}/{run.first_run_id}"]
    if mapping.needs_history:
        locks.insert(0, f"relay/decisions/{run.dbt_account_id}")
    for lock in locks:
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (lock,))
