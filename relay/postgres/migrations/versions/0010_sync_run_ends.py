"""What Census says about the end of a sync run, and the lag of each."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add columns and indexes to one table, in a transaction of its own."""
    op.execute(
        """
        ALTER TABLE relay.sync_runs
            ADD COLUMN completed_at timestamptz,  -- by Census's clock
            ADD COLUMN error_code   text,
            ADD COLUMN recovered    boolean NOT NULL DEFAULT false,  -- its response was lost
            ADD COLUMN lag          double precision;  -- seconds; null: it brought nothing new
        CREATE INDEX completed_sync_runs ON relay.sync_runs (workspace, sync_id, attempt_id)
            WHERE outcome IN ('completed', 'completed_with_rejects');
        CREATE INDEX lags_of_a_sync ON relay.sync_runs (workspace, sync_id, attempt_id)
            WHERE lag IS NOT NULL;
        """
    )
