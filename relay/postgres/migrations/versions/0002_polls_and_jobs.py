"""Sync runs, periodic tasks and jobs are called by the standard terms: poll, reconcile, evaluate.

Processes of the version before may still run. So jobs that wait go on, under their new names, in a
queue that old workers do not read: they would fail for good what they do not know. And what old
transactions lock in any order, this and the next two migrations lock one by one: a transaction that
locked it all would meet a deadlock.
"""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Rename, the columns first: then nobody can still defer a job under an old argument name."""
    op.execute(
        """
        ALTER TABLE relay.sync_runs RENAME looks TO polls;
        ALTER TABLE relay.sync_runs RENAME look_from TO reconcile_after;
        ALTER TABLE relay.sync_runs RENAME faults TO failures;
        ALTER TABLE relay.sync_runs RENAME paused TO backoff_spent;

        ALTER TABLE relay.chores RENAME TO periodic_tasks;
        ALTER INDEX relay.chores_pkey RENAME TO periodic_tasks_pkey;

        UPDATE procrastinate_jobs
        SET queue_name = 'relay.2',
            task_name = CASE task_name
                WHEN 'relay_run' THEN 'evaluate_dbt_run'
                WHEN 'run_sync' THEN 'start_sync_run'
                WHEN 'wake_sync' THEN 'scheduled_start'
                WHEN 'look_at_sync_run' THEN 'poll_sync_run'
                ELSE task_name END,
            args = CASE task_name
                WHEN 'look_at_sync_run'
                THEN args - 'looks' || jsonb_build_object('polls', args -> 'looks')
                ELSE args END
        WHERE queue_name = 'relay';
        """
    )
