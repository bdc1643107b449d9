"""One dbt run: what dbt Cloud and relay know of it, and the decisions on it, sync by sync."""

import uuid
from datetime import datetime
from typing import Any

import msgspec
from msgspec import structs

from relay.store.pages.dbt_runs import BECAME_OF_RUN
from relay.store.transactions import Transactions, every, one
from relay.workspaces import SyncKey

MOST_IN_CHAIN = 20  # other runs of a retry chain
MOST_DELIVERIES = 20  # of one run
MOST_MODELS = 20  # of one decision
DECIDED = ("triggered", "withheld", "cooling down", "held", "waiting")


class RunFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a recorded dbt run; `became` is one of BECAME.

    What dbt Cloud has not said yet, or does not say, is None. `first_run_id` is where its retry
    chain begins, None if the run was not examined yet.
    """

    dbt_run_id: int
    recorded_at: datetime
    planned_at: datetime | None
    given_up_at: datetime | None
    became: str
    problem: str | None
    failures: int
    source: str
    dbt_job_id: int | None
    job_name: str | None
    environment_id: int | None
    environment_name: str | None
    project_id: int | None
    git_sha: str | None
    status: str | None
    cause: str | None
    never_counts: str | None
    started_at: datetime | None
    finished_at: datetime | None
    first_run_id: int | None


class DbtRunDetails(RunFacts, frozen=True, kw_only=True):
    """A recorded dbt run; `steps` and `models` are None for runs of earlier versions.

    `chain` are the other recorded runs of its retry chain.
    """

    dbt_account_id: int
    event_id: str | None
    chain: list[int]
    steps: list[dict[str, Any]] | None
    models: dict[str, Any] | None


class RunDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery about a run; `ignored_because` is None if it was not ignored."""

    delivery_id: uuid.UUID
    received_at: datetime
    event_id: str | None
    ignored_because: str | None


class DecidedSync(msgspec.Struct, frozen=True, kw_only=True):
    """The decision on a sync; `decision` is one of DECIDED.

    `models` are the first of `model_count` models that decided it. `conditions` are as stored: the
    reason, the models that object, what was seen. The times and ids of its trigger and sync run are
    None until there are any; `sync_run` is in which state that is, or its outcome. `lag` is in
    seconds. `held_until` is None also for a hold that only a person ends.
    """

    workspace: str
    sync_id: int
    reason: str
    decision: str
    decided_at: datetime
    models: list[str]
    model_count: int
    through: dict[str, list[str]]
    conditions: list[list[Any]]
    due_at: datetime | None
    held_until: datetime | None
    attempt_id: int | None
    sync_run_id: int | None
    sent_at: datetime | None
    ended_at: datetime | None
    sync_run: str | None
    problem: str | None
    lag: float | None


class DecisionFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which decisions on a run; None for any."""

    decision: str | None = None
    reason: str | None = None
    after: SyncKey | None = None  # the last sync of the page before


class DbtRunDetailPages(Transactions):
    """One dbt run for the dashboard."""

    def find(self, dbt_account_id: int, dbt_run_id: int) -> DbtRunDetails | None:
        """The run; None if it is not recorded, or was deleted."""
        with self._statement() as connection:
            return one(connection, DbtRunDetails, _RUN, (dbt_account_id, dbt_run_id))

    def deliveries(self, dbt_account_id: int, dbt_run_id: int) -> list[RunDelivery]:
        """The first deliveries about it."""
        with self._statement() as connection:
            return every(connection, RunDelivery, _DELIVERIES, (dbt_account_id, dbt_run_id))

    def reasons(self, dbt_account_id: int, dbt_run_id: int) -> dict[str, int]:
        """How many decisions have each reason."""
        with self._statement() as connection:
            return dict(connection.execute(_REASONS, (dbt_account_id, dbt_run_id)).fetchall())

    def decisions(
        self,
        dbt_account_id: int,
        dbt_run_id: int,
        wanted: DecisionFilter,
        *,
        now: datetime,
        rows: int,
    ) -> list[DecidedSync]:
        """The decisions on it, by workspace and sync."""
        workspace, sync_id = wanted.after or (None, None)
        given = {
            **structs.asdict(wanted),
            "dbt_account_id": dbt_account_id,
            "dbt_run_id": dbt_run_id,
            "workspace": workspace,
            "sync_id": sync_id,
            "now": now,
            "rows": rows,
        }
        with self._statement() as connection:
            return every(connection, DecidedSync, _DECISIONS, given)


_RUN = f"""
SELECT dbt_account_id, dbt_run_id, recorded_at, planned_at, given_up_at, {BECAME_OF_RUN} AS became,
       problem, failures, source, event_id, dbt_job_id, job_name, environment_id, environment_name,
       project_id, git_sha, status, cause, never_counts, started_at, finished_at, first_run_id,
       ARRAY(SELECT other.dbt_run_id FROM relay.dbt_runs AS other
             WHERE (other.dbt_account_id, other.first_run_id)
                 = (dbt_runs.dbt_account_id, dbt_runs.first_run_id)
               AND other.dbt_run_id <> dbt_runs.dbt_run_id
             ORDER BY dbt_run_id LIMIT {MOST_IN_CHAIN}) AS chain,
       steps, models
FROM relay.dbt_runs WHERE (dbt_account_id, dbt_run_id) = (%s, %s)
"""
_DELIVERIES = f"""
SELECT delivery_id, received_at, event_id, ignored_because FROM relay.deliveries
WHERE (dbt_account_id, dbt_run_id) = (%s, %s) ORDER BY received_at LIMIT {MOST_DELIVERIES}
"""
_REASONS = """
SELECT reason, count(*) FROM relay.decisions
WHERE (dbt_account_id, dbt_run_id) = (%s, %s) GROUP BY reason
"""
# A trigger that a replay has superseded is not the one of what is decided now.
_DECISIONS = f"""
SELECT workspace, sync_id, reason, decision, decided_at, models[:{MOST_MODELS}] AS models,
       cardinality(models) AS model_count, through, conditions, due_at, held_until, attempt_id,
       sync_run_id, sent_at, ended_at, sync_run, problem, lag
FROM (
    SELECT decisions.workspace, decisions.sync_id, reason, decided_at, models,
           decisions.through, conditions, due_at, held_until, triggers.attempt_id, sync_run_id,
           sent_at, coalesce(completed_at, ended_at) AS ended_at, problem, lag,
           CASE WHEN trigger_id IS NULL THEN
                    CASE WHEN reason = 'rebuilt' THEN 'triggered' ELSE 'withheld' END
                WHEN triggers.attempt_id IS NOT NULL THEN 'triggered'
                WHEN is_held THEN 'held'
                WHEN due_at > %(now)s AND due_at > requested_at THEN 'cooling down'
                ELSE 'waiting' END AS decision,
           CASE WHEN sync_runs.attempt_id IS NULL THEN NULL
                WHEN outcome IS NOT NULL THEN outcome
                WHEN sync_run_id IS NULL THEN 'sending'
                ELSE 'running' END AS sync_run
    FROM relay.decisions
    LEFT JOIN relay.triggers ON NOT superseded
        AND (triggers.workspace, triggers.sync_id, triggers.dbt_account_id, triggers.dbt_run_id)
          = (decisions.workspace, decisions.sync_id, decisions.dbt_account_id,
             decisions.dbt_run_id)
    LEFT JOIN relay.sync_runs ON sync_runs.attempt_id = triggers.attempt_id
    LEFT JOIN LATERAL (
        SELECT true AS is_held, until AS held_until FROM relay.holds
        WHERE ended_at IS NULL AND released_by IS NULL AND (until IS NULL OR until > %(now)s)
          AND (holds.workspace IS NULL OR holds.workspace = decisions.workspace)
          AND (holds.sync_id IS NULL OR holds.sync_id = decisions.sync_id)
        ORDER BY until DESC NULLS FIRST LIMIT 1
    ) AS hold ON triggers.attempt_id IS NULL AND trigger_id IS NOT NULL
    WHERE (decisions.dbt_account_id, decisions.dbt_run_id) = (%(dbt_account_id)s, %(dbt_run_id)s)
      AND (%(workspace)s::text IS NULL
           OR (decisions.workspace, decisions.sync_id) > (%(workspace)s, %(sync_id)s::bigint))
      AND (%(reason)s::text IS NULL OR reason = %(reason)s)
) AS decided
WHERE (%(decision)s::text IS NULL OR decision = %(decision)s)
ORDER BY workspace, sync_id LIMIT %(rows)s
"""
