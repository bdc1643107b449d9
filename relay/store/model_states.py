"""What dbt runs did to models: of one run, and by the last run of each job."""

from collections.abc import Sequence

from psycopg.types.json import Jsonb

from relay.decision.models_of_run import ModelState, RunModels
from relay.store.transactions import Connection


def as_stored(models: RunModels) -> Jsonb:
    """The value of `dbt_runs.models`."""
    rows = [
        [model.unique_id, model.result, model.failed_a_test, model.syncs] for model in models.models
    ]
    return Jsonb({"counts": models.counts, "models": rows})


def record_model_states(
    connection: Connection, dbt_account_id: int, states: Sequence[ModelState]
) -> None:
    """Record what a run did to models, unless a later run of the job is recorded.

    The states are sorted by model: two transactions lock the rows in the same order.
    """
    if not states:
        return
    connection.execute(
        _RECORD,
        {
            "dbt_account_id": dbt_account_id,
            "nodes": [state.unique_id for state in states],
            "jobs": [state.dbt_job_id or 0 for state in states],
            "job_names": [state.job_name for state in states],
            "runs": [state.dbt_run_id for state in states],
            "finished": [state.finished_at for state in states],
            "results": [state.result for state in states],
            "tested": [state.failed_a_test for state in states],
            "rebuilt": [state.rebuilt_at for state in states],
        },
    )


_RECORD = """
INSERT INTO relay.model_states AS known
    (dbt_account_id, node, dbt_job_id, job_name, dbt_run_id, finished_at, result, failed_a_test,
     rebuilt_at)
SELECT %(dbt_account_id)s, each.*
FROM unnest(%(nodes)s::text[], %(jobs)s::bigint[], %(job_names)s::text[], %(runs)s::bigint[],
            %(finished)s::timestamptz[], %(results)s::text[], %(tested)s::boolean[],
            %(rebuilt)s::timestamptz[]) AS each
ON CONFLICT (dbt_account_id, node, dbt_job_id) DO UPDATE
SET (job_name, dbt_run_id, finished_at, result, failed_a_test, rebuilt_at) =
    (EXCLUDED.job_name, EXCLUDED.dbt_run_id, EXCLUDED.finished_at, EXCLUDED.result,
     EXCLUDED.failed_a_test, coalesce(EXCLUDED.rebuilt_at, known.rebuilt_at))
WHERE known.finished_at <= EXCLUDED.finished_at
"""
