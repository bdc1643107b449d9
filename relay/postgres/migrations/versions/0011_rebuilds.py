"""When the dbt run of each decision ended, if it rebuilt a model of the sync."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add a column and an index to one table, in a transaction of its own.

    Decisions of earlier versions do not say what was rebuilt: those that let the sync run, or
    withheld it because of something other than a failure, had a rebuild. What a process of the
    version before decides during an upgrade counts as a rebuild now.
    """
    op.execute(
        """
        ALTER TABLE relay.decisions ADD COLUMN rebuilt_at timestamptz;  -- null: nothing
        UPDATE relay.decisions SET rebuilt_at = least(decided_at, coalesce((
            SELECT max(covers_until) FROM relay.triggers
            WHERE (workspace, sync_id, dbt_account_id, dbt_run_id) = (decisions.workspace,
                   decisions.sync_id, decisions.dbt_account_id, decisions.dbt_run_id)
        ), decided_at))
        WHERE reason IN ('rebuilt', 'cooling_down', 'waiting_for_models', 'test_failed',
                         'stale_parent');
        ALTER TABLE relay.decisions ALTER rebuilt_at SET DEFAULT clock_timestamp();
        CREATE INDEX rebuilds_of_a_sync ON relay.decisions (workspace, sync_id, rebuilt_at)
            WHERE rebuilt_at IS NOT NULL;
        """
    )
