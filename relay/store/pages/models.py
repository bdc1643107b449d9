"""The models of a sync: what the last run of each job did to them, and which are awaited."""

from datetime import datetime
from itertools import groupby
from typing import Any

import msgspec

from relay.decision.gates import Reason
from relay.store.transactions import Transactions
from relay.workspaces import SyncKey

MOST_MODELS = 200
NEWEST_DECISIONS = 50  # among which one is looked for that judged the models

# A decision for one of these judged by what a run did that does not count for the sync.
_OF_OTHER_RUNS = (
    *(Reason.SYNC_DISABLED, Reason.JOB_NOT_LISTED, Reason.ENVIRONMENT_NOT_LISTED),
    *(Reason.RUN_CANCELLED, Reason.SAMPLE_RUN),
)
# The models that object here are not rebuilt as `require: all` wants them.
_OF_AWAITED = (
    *(Reason.MODEL_FAILED, Reason.PARTIAL_REBUILD, Reason.TEST_FAILED),
    Reason.WAITING_FOR_MODELS,
)


class BuiltBy(msgspec.Struct, frozen=True, kw_only=True):
    """What the last run of a job did to a model; `result` is a word of `decision/models_of_run`.

    Job id and name are None if dbt Cloud did not report them. `rebuilt_at` is the end of the job's
    last run that rebuilt it, None if none is known. `failed_a_test` is None if that is not known.
    """

    dbt_job_id: int | None
    job_name: str | None
    dbt_run_id: int
    finished_at: datetime
    result: str
    failed_a_test: bool | None
    rebuilt_at: datetime | None


class OnBoard(msgspec.Struct, frozen=True, kw_only=True):
    """Whether `require: all` waited for a model, as judged for a dbt run at `decided_at`.

    `since` says in words since when rebuilds count: since the run that the sync last ran for.
    """

    is_awaited: bool
    dbt_run_id: int
    decided_at: datetime
    since: str


class SyncModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model of a sync, as last compared; `built_by` has the job first that ran last.

    `materialized` is None if not known; `behind` are the tables that a view reads. `board` is None
    if the sync does not require all of its models, or was not decided yet.
    """

    node: str
    materialized: str | None
    behind: tuple[str, ...]
    built_by: tuple[BuiltBy, ...]
    board: OnBoard | None


class ModelPages(Transactions):
    """The models of syncs for the dashboard."""

    def of_sync(self, dbt_account_id: int, key: SyncKey) -> tuple[SyncModel, ...]:
        """The sync's models, the awaited ones first, at most MOST_MODELS.

        None are there before a worker has compared the mapping with the dbt project.
        """
        given = {
            "account": dbt_account_id,
            "workspace": key[0],
            "sync_id": key[1],
            "most": MOST_MODELS,
            "newest": NEWEST_DECISIONS,
            "of_other_runs": list(_OF_OTHER_RUNS),
            "of_awaited": list(_OF_AWAITED),
        }
        with self._statement() as connection:
            rows = connection.execute(_OF_SYNC, given).fetchall()
        of_nodes = groupby(rows, key=lambda row: row[0])
        return tuple(_model(list(of_one)) for _, of_one in of_nodes)


def _model(rows: list[tuple[Any, ...]]) -> SyncModel:
    node, materialized, behind, is_awaited, judged_run, decided_at, since = rows[0][:7]
    board = None
    if judged_run is not None:
        board = OnBoard(
            is_awaited=is_awaited, dbt_run_id=judged_run, decided_at=decided_at, since=since
        )
    return SyncModel(
        node=node,
        materialized=materialized,
        behind=tuple(behind),
        built_by=tuple(_built_by(row[7:]) for row in rows if row[9] is not None),
        board=board,
    )


def _built_by(columns: tuple[Any, ...]) -> BuiltBy:
    return BuiltBy(**dict(zip(_COLUMNS, columns, strict=True)))


_COLUMNS = BuiltBy.__struct_fields__
# A condition is stored as [reason, models, what was seen]; see `decision/gates.py`. What
# waiting_for_models has seen begins with the run that the sync last ran for, or is `require: any`.
_OF_SYNC = """
WITH judged AS MATERIALIZED (
    SELECT dbt_run_id, decided_at, (
        SELECT array_agg(DISTINCT model)
        FROM jsonb_array_elements(conditions) AS condition,
             jsonb_array_elements_text(condition -> 1) AS model
        WHERE condition ->> 0 = ANY(%(of_awaited)s::text[])
    ) AS awaited, (
        SELECT split_part(condition ->> 2, ';', 1)
        FROM jsonb_array_elements(conditions) AS condition
        WHERE condition ->> 0 = 'waiting_for_models'
    ) AS since
    FROM (
        SELECT dbt_run_id, decided_at, conditions, reason FROM relay.decisions
        WHERE (workspace, sync_id) = (%(workspace)s, %(sync_id)s)
        ORDER BY decided_at DESC LIMIT %(newest)s
    ) AS newest
    WHERE reason <> ALL(%(of_other_runs)s::text[])
    ORDER BY decided_at DESC LIMIT 1
)
SELECT node, materialized, behind, is_awaited, judged_run, decided_at, since,
       dbt_job_id, job_name, dbt_run_id, finished_at, result, failed_a_test, rebuilt_at
FROM (
    SELECT node, materialized, behind, judged.dbt_run_id AS judged_run, decided_at, since,
           coalesce(node = ANY(awaited), false) AS is_awaited
    FROM relay.selections LEFT JOIN judged ON since NOT LIKE 'require: %%'
    WHERE (workspace, sync_id) = (%(workspace)s, %(sync_id)s)
    ORDER BY is_awaited DESC, node LIMIT %(most)s
) AS selected
LEFT JOIN LATERAL (
    SELECT nullif(dbt_job_id, 0) AS dbt_job_id, job_name, dbt_run_id, finished_at, result,
           failed_a_test, rebuilt_at
    FROM relay.model_states AS states
    WHERE (states.dbt_account_id, states.node) = (%(account)s, selected.node)
) AS states ON true
ORDER BY is_awaited DESC, node, finished_at DESC
"""
