"""What the mapping covers: the models that syncs read, the jobs that build them, what is left."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from relay.store.transactions import Transactions, every
from relay.workspaces import SyncKey

MOST_JOBS = 50
MOST_SYNCS = 50
MOST_ROWS = 400  # of a picture


class FoundCoverage(msgspec.Struct, frozen=True):
    """What a worker found; see `decision/coverage.py`. `lacks` says what could not be read."""

    words: dict[str, int]
    nodes_of: list[tuple[str, int, int]]
    unread: list[tuple[str, list[str], list[str]]]
    unread_count: int
    exposures: list[tuple[str, SyncKey | None]]
    exposures_count: int
    lacks: str | None = None


class LastCoverage(msgspec.Struct, frozen=True, kw_only=True):
    """The last comparison of the mapping of this digest with the dbt project."""

    digest: str
    found_at: datetime
    found: FoundCoverage


class JobRow(msgspec.Struct, frozen=True, kw_only=True):
    """A job, and how many models it builds that some sync reads; None: dbt Cloud reported none."""

    dbt_job_id: int | None
    job_name: str | None
    models: int
    failed: int  # in the last run that executed them
    finished_at: datetime  # of the newest of these runs


class StaleSync(msgspec.Struct, frozen=True, kw_only=True):
    """A sync with models that no job has built for long; `nodes` are the first of them.

    `built_at` is the oldest time at which one of them was built, None if that of one is not known.
    """

    workspace: str
    sync_id: int
    models: int
    nodes: list[str]
    built_at: datetime | None


class PictureRow(msgspec.Struct, frozen=True, kw_only=True):
    """A sync that reads a model, and a job that has built it; these fields are None if none has.

    `dbt_job_id` is 0 for a job that dbt Cloud did not report. `because` is why the sync is behind,
    None if it is not.
    """

    workspace: str
    sync_id: int
    because: str | None
    last_outcome: str | None
    node: str
    materialized: str | None
    behind: list[str]
    dbt_job_id: int | None
    job_name: str | None
    dbt_run_id: int | None
    finished_at: datetime | None
    result: str | None
    failed_a_test: bool | None


class MappingPages(Transactions):
    """The coverage of the mapping for the dashboard."""

    def coverage(self) -> LastCoverage | None:
        """The last comparison; None before the first one."""
        query = "SELECT digest, found_at, found::text FROM relay.coverage"
        with self._statement() as connection:
            row = connection.execute(query).fetchone()
        if row is None:
            return None
        digest, found_at, found = row
        return LastCoverage(
            digest=digest,
            found_at=found_at,
            found=msgspec.json.decode(found, type=FoundCoverage),
        )

    def jobs(self, dbt_account_id: int) -> list[JobRow]:
        """The jobs that build most of the models."""
        with self._statement() as connection:
            return every(connection, JobRow, _JOBS, (dbt_account_id, MOST_JOBS))

    def stale(self, dbt_account_id: int, *, before: datetime) -> list[StaleSync]:
        """The syncs that read a model which no job is known to have built since then."""
        given = {"account": dbt_account_id, "before": before, "most": MOST_SYNCS}
        with self._statement() as connection:
            return every(connection, StaleSync, _STALE, given)

    def picture(
        self, dbt_account_id: int, *, sync: SyncKey | None, dbt_job_id: int | None
    ) -> Sequence[PictureRow]:
        """The rows of one sync, or of one job, or of all; at most MOST_ROWS."""
        workspace, sync_id = sync or (None, None)
        given = {
            "account": dbt_account_id,
            "workspace": workspace,
            "sync_id": sync_id,
            "job": dbt_job_id,
            "most": MOST_ROWS,
        }
        with self._statement() as connection:
            return every(connection, PictureRow, _PICTURE, given)


_JOBS = """
SELECT nullif(dbt_job_id, 0) AS dbt_job_id, max(job_name) AS job_name, count(*) AS models,
       count(*) FILTER (WHERE failed_a_test OR result NOT IN ('rebuilt', 'reused')) AS failed,
       max(finished_at) AS finished_at
FROM relay.model_states
WHERE dbt_account_id = %s AND node IN (SELECT node FROM relay.selections)
GROUP BY model_states.dbt_job_id ORDER BY models DESC, dbt_job_id LIMIT %s
"""
# A model that dbt found up to date need not be built.
_STALE = """
SELECT workspace, sync_id, count(*) AS models, (array_agg(node ORDER BY node))[1:5] AS nodes,
       CASE WHEN bool_and(built_at IS NOT NULL) THEN min(built_at) END AS built_at
FROM relay.selections LEFT JOIN (
    SELECT node, max(greatest(rebuilt_at, CASE result WHEN 'reused' THEN finished_at END))
        AS built_at
    FROM relay.model_states WHERE dbt_account_id = %(account)s GROUP BY node
) AS built USING (node)
WHERE built_at IS NULL OR built_at < %(before)s
GROUP BY workspace, sync_id ORDER BY workspace, sync_id LIMIT %(most)s
"""
_PICTURE = """
SELECT workspace, sync_id, because, last_outcome, node, materialized, behind,
       dbt_job_id, job_name, dbt_run_id, finished_at, result, failed_a_test
FROM (
    SELECT * FROM relay.selections
    WHERE (%(workspace)s::text IS NULL
           OR (workspace, sync_id) = (%(workspace)s, %(sync_id)s::bigint))
      AND (%(job)s::bigint IS NULL OR node IN (
        SELECT node FROM relay.model_states
        WHERE (dbt_account_id, dbt_job_id) = (%(account)s, %(job)s)))
    ORDER BY workspace, sync_id, node LIMIT %(most)s
) AS selected
LEFT JOIN relay.sync_states USING (workspace, sync_id)
LEFT JOIN LATERAL (
    SELECT dbt_job_id, job_name, dbt_run_id, finished_at, result, failed_a_test
    FROM relay.model_states AS states
    WHERE (states.dbt_account_id, states.node) = (%(account)s, selected.node)
      AND (%(job)s::bigint IS NULL OR states.dbt_job_id = %(job)s)
) AS states ON true
ORDER BY workspace, sync_id, node, dbt_job_id LIMIT %(most)s
"""
