"""The functions that derive the stored freshness of syncs, and that resolve alerts."""

from alembic import op

revision = "0015"
down_revision = "0014"

_COMPLETED = "('completed', 'completed_with_rejects')"
_FAILED = "('failed', 'canceled', 'abandoned', 'refused')"
_COMPLETED_FOR_IT = f"""
SELECT FROM relay.triggers JOIN relay.sync_runs USING (attempt_id)
WHERE (triggers.workspace, triggers.sync_id) = (decisions.workspace, decisions.sync_id)
  AND (triggers.dbt_account_id, triggers.dbt_run_id)
    = (decisions.dbt_account_id, decisions.dbt_run_id)
  AND outcome IN {_COMPLETED}
"""


def upgrade() -> None:
    """Create them. Functions, because planning these statements takes longer than running them."""
    _create_derive_sync_states()
    _create_resolve_alerts()


def _create_resolve_alerts() -> None:
    """An alert that a dbt run has caused is not resolved by one that ended before."""
    op.execute(
        """
        CREATE FUNCTION relay.resolve_alerts(
            at timestamptz, events text[], workspaces text[], sync_ids bigint[],
            run_subject text, run_finished_at timestamptz)
        RETURNS void LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
        BEGIN
        UPDATE relay.alerts SET resolved_at = at WHERE alert_id IN (
            SELECT alert_id FROM relay.alerts
            WHERE resolved_at IS NULL AND (
                (event = ANY(events) AND (coalesce(workspace, ''), coalesce(sync_id, 0)) IN (
                    SELECT * FROM unnest(workspaces, sync_ids)))
                OR (event = 'given_up' AND coalesce(sync_id, 0) = 0 AND subject = run_subject))
              AND NOT EXISTS (
                SELECT FROM relay.dbt_runs
                WHERE (dbt_runs.dbt_account_id, dbt_runs.dbt_run_id)
                    = (alerts.dbt_account_id, alerts.dbt_run_id)
                  AND dbt_runs.finished_at > run_finished_at)
            ORDER BY alert_id FOR NO KEY UPDATE);
        END
        $$
        """
    )


def _create_derive_sync_states() -> None:
    """The state of some syncs, from their decisions, triggers and sync runs.

    The lock is a statement of its own: the next one then sees what the transactions that held it
    have committed. ON CONFLICT locks a row even where its WHERE keeps it as it is.

    A rebuild is in the tool if a completed sync run was started for it, or was sent after the dbt
    run's end. The newest one that is not says why: its triggers are not finished, its sync run
    failed, or it was withheld. What was triggered for it before a replay withheld it says nothing.
    """
    op.execute(
        f"""
        CREATE FUNCTION relay.derive_sync_states(workspaces text[], sync_ids bigint[])
        RETURNS void LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
        BEGIN
        INSERT INTO relay.sync_states (workspace, sync_id)
        SELECT workspace, sync_id FROM unnest(workspaces, sync_ids) AS keys (workspace, sync_id)
        ORDER BY workspace, sync_id
        ON CONFLICT (workspace, sync_id) DO UPDATE SET sync_id = EXCLUDED.sync_id WHERE false;

        UPDATE relay.sync_states AS state
        SET last_rebuilt_at = derived.last_rebuilt_at, behind_since = derived.behind_since,
            behind_dbt_account_id = derived.dbt_account_id, behind_dbt_run_id = derived.dbt_run_id,
            because = derived.because, due_at = derived.due_at,
            last_completed_at = derived.last_completed_at, lag = derived.lag,
            failures = derived.failures, last_outcome = derived.last_outcome
        FROM (
            SELECT keys.workspace, keys.sync_id, rebuilt.last_rebuilt_at,
                   oldest.rebuilt_at AS behind_since, oldest.dbt_account_id, oldest.dbt_run_id,
                   completed.last_completed_at, lagging.lag, failed.failures, ended.last_outcome,
                   pending.due_at,
                   CASE WHEN oldest.rebuilt_at IS NULL THEN NULL
                        WHEN pending.due_at IS NOT NULL THEN 'waiting'
                        WHEN newest.outcome IN {_FAILED} THEN 'failing'
                        WHEN newest.outcome = 'disabled' THEN 'sync_disabled'
                        ELSE coalesce(newest.outcome, newest.reason) END AS because
            FROM unnest(workspaces, sync_ids) AS keys (workspace, sync_id)
            LEFT JOIN LATERAL (
                SELECT attempt_id, coalesce(sent_at, begun_at) AS reads_from,
                       coalesce(completed_at, ended_at) AS last_completed_at
                FROM relay.sync_runs AS runs
                WHERE (runs.workspace, runs.sync_id) = (keys.workspace, keys.sync_id)
                  AND outcome IN {_COMPLETED}
                ORDER BY attempt_id DESC LIMIT 1
            ) AS completed ON true
            LEFT JOIN LATERAL (
                SELECT lag FROM relay.sync_runs AS runs
                WHERE (runs.workspace, runs.sync_id) = (keys.workspace, keys.sync_id)
                  AND lag IS NOT NULL
                ORDER BY attempt_id DESC LIMIT 1
            ) AS lagging ON true
            LEFT JOIN LATERAL (
                SELECT outcome AS last_outcome FROM relay.sync_runs AS runs
                WHERE (runs.workspace, runs.sync_id) = (keys.workspace, keys.sync_id)
                  AND ended_at IS NOT NULL
                ORDER BY attempt_id DESC LIMIT 1
            ) AS ended ON true
            CROSS JOIN LATERAL (
                SELECT count(*) AS failures FROM relay.sync_runs AS runs
                WHERE (runs.workspace, runs.sync_id) = (keys.workspace, keys.sync_id)
                  AND attempt_id > coalesce(completed.attempt_id, 0)
                  AND outcome IN {_FAILED}
            ) AS failed
            CROSS JOIN LATERAL (
                SELECT max(rebuilt_at) AS last_rebuilt_at FROM relay.decisions
                WHERE (decisions.workspace, decisions.sync_id) = (keys.workspace, keys.sync_id)
                  AND rebuilt_at IS NOT NULL
            ) AS rebuilt
            CROSS JOIN LATERAL (
                SELECT min(due_at) AS due_at FROM (
                    SELECT due_at FROM relay.triggers
                    WHERE (triggers.workspace, triggers.sync_id) = (keys.workspace, keys.sync_id)
                      AND attempt_id IS NULL
                    UNION ALL
                    SELECT due_at
                    FROM relay.sync_runs AS runs JOIN relay.triggers USING (attempt_id)
                    WHERE (runs.workspace, runs.sync_id) = (keys.workspace, keys.sync_id)
                      AND ended_at IS NULL
                ) AS unfinished
            ) AS pending
            LEFT JOIN LATERAL (
                SELECT rebuilt_at, dbt_account_id, dbt_run_id FROM relay.decisions
                WHERE (decisions.workspace, decisions.sync_id) = (keys.workspace, keys.sync_id)
                  AND rebuilt_at > coalesce(completed.reads_from, '-infinity')
                  AND NOT EXISTS ({_COMPLETED_FOR_IT})
                ORDER BY rebuilt_at, dbt_run_id LIMIT 1
            ) AS oldest ON true
            LEFT JOIN LATERAL (
                SELECT reason, CASE WHEN reason IN ('rebuilt', 'cooling_down') THEN (
                    SELECT outcome FROM relay.triggers JOIN relay.sync_runs USING (attempt_id)
                    WHERE (triggers.workspace, triggers.sync_id, triggers.dbt_account_id,
                           triggers.dbt_run_id)
                        = (decisions.workspace, decisions.sync_id, decisions.dbt_account_id,
                           decisions.dbt_run_id)
                    ORDER BY trigger_id DESC LIMIT 1
                ) END AS outcome
                FROM relay.decisions
                WHERE (decisions.workspace, decisions.sync_id) = (keys.workspace, keys.sync_id)
                  AND oldest.rebuilt_at IS NOT NULL AND rebuilt_at >= oldest.rebuilt_at
                  AND NOT EXISTS ({_COMPLETED_FOR_IT})
                ORDER BY rebuilt_at DESC, dbt_run_id DESC LIMIT 1
            ) AS newest ON true
        ) AS derived
        WHERE (state.workspace, state.sync_id) = (derived.workspace, derived.sync_id);
        END
        $$
        """
    )
