"""What the preview of an action shows: which dbt runs match, and the state of a sync."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec import structs

from relay.store.pages.dbt_runs import BECAME_OF_RUN
from relay.store.pages.listing import SCANNED
from relay.store.transactions import Transactions, every, one
from relay.workspaces import SyncKey


class RunFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which dbt runs; None for any. `reason`: those with a sync that was withheld for it."""

    became: str | None = None
    dbt_job_id: int | None = None
    environment_id: int | None = None
    status: str | None = None
    reason: str | None = None
    since: datetime | None = None


class RunToReplay(msgspec.Struct, frozen=True, kw_only=True):
    """A dbt run; `became` is as in the list of runs, `matched` how many runs match in all.

    `examined_at` is when it was planned or given up; None if it was not yet, or is again.
    """

    dbt_run_id: int
    recorded_at: datetime
    job_name: str | None
    status: str | None
    became: str
    problem: str | None
    examined_at: datetime | None
    matched: int


class SyncNow(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a sync run of a sync is under way, and how many triggers wait.

    `newest_trigger` and `newest_attempt` are None if none waits, and if none was made.
    """

    is_under_way: bool
    waiting: int
    newest_trigger: int | None
    newest_attempt: int | None


class PreviewPages(Transactions):
    """Reads for previews."""

    def runs_matching(
        self, dbt_account_id: int, wanted: RunFilter, *, most: int
    ) -> list[RunToReplay]:
        """The newest runs that match, of the newest SCANNED ones."""
        given = {
            "account": dbt_account_id,
            "scanned": SCANNED,
            "most": most,
            **structs.asdict(wanted),
        }
        with self._statement() as connection:
            return every(connection, RunToReplay, _MATCHING, given)

    def runs(self, dbt_account_id: int, dbt_run_ids: Sequence[int]) -> list[RunToReplay]:
        """These runs, as far as they are recorded, the newest first."""
        given = {"account": dbt_account_id, "runs": list(dbt_run_ids)}
        with self._statement() as connection:
            return every(connection, RunToReplay, _OF_IDS, given)

    def sync_now(self, sync: SyncKey) -> SyncNow:
        """What is under way for a sync."""
        workspace, sync_id = sync
        with self._statement() as connection:
            found = one(
                connection, SyncNow, _SYNC_NOW, {"workspace": workspace, "sync_id": sync_id}
            )
            assert found is not None
            return found


_EXAMINED_AT = "coalesce(given_up_at, planned_at)"
_MATCHING = f"""
SELECT dbt_run_id, recorded_at, job_name, status, became, problem, examined_at,
       count(*) OVER () AS matched
FROM (
    SELECT dbt_account_id, dbt_run_id, recorded_at, job_name, status, problem, dbt_job_id,
           environment_id, {_EXAMINED_AT} AS examined_at, {BECAME_OF_RUN} AS became
    FROM relay.dbt_runs
    WHERE dbt_account_id = %(account)s
      AND (%(since)s::timestamptz IS NULL OR recorded_at >= %(since)s)
    ORDER BY recorded_at DESC, dbt_run_id DESC LIMIT %(scanned)s
) AS scanned
WHERE (%(became)s::text IS NULL OR became = %(became)s)
  AND (%(dbt_job_id)s::bigint IS NULL OR dbt_job_id = %(dbt_job_id)s)
  AND (%(environment_id)s::bigint IS NULL OR environment_id = %(environment_id)s)
  AND (%(status)s::text IS NULL OR status = %(status)s)
  AND (%(reason)s::text IS NULL OR (
    SELECT true FROM relay.decisions
    WHERE (decisions.dbt_account_id, decisions.dbt_run_id)
        = (scanned.dbt_account_id, scanned.dbt_run_id) AND reason = %(reason)s
    LIMIT 1)) -- with EXISTS, the decisions on all runs could be read
ORDER BY recorded_at DESC, dbt_run_id DESC LIMIT %(most)s
"""
_OF_IDS = f"""
SELECT dbt_run_id, recorded_at, job_name, status, {BECAME_OF_RUN} AS became, problem,
       {_EXAMINED_AT} AS examined_at,
       count(*) OVER () AS matched
FROM relay.dbt_runs WHERE dbt_account_id = %(account)s AND dbt_run_id = ANY(%(runs)s)
ORDER BY recorded_at DESC, dbt_run_id DESC
"""
_SYNC_NOW = """
SELECT open.attempt_id IS NOT NULL AS is_under_way, waiting, newest_trigger, (
           SELECT attempt_id FROM relay.sync_runs
           WHERE (workspace, sync_id) = (%(workspace)s, %(sync_id)s)
           ORDER BY attempt_id DESC LIMIT 1) AS newest_attempt
FROM (
    SELECT count(*) AS waiting, max(trigger_id) AS newest_trigger FROM relay.triggers
    WHERE (workspace, sync_id) = (%(workspace)s, %(sync_id)s) AND attempt_id IS NULL
) AS triggers
LEFT JOIN relay.sync_runs AS open
  ON (workspace, sync_id) = (%(workspace)s, %(sync_id)s) AND ended_at IS NULL
"""
