"""What a dbt run says about itself, for people: its job, commit, times and steps."""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add columns to one table, in a transaction of its own; null in rows of earlier versions."""
    op.execute(
        """
        ALTER TABLE relay.dbt_runs
            ADD COLUMN source           text NOT NULL DEFAULT 'webhook',  -- or catch_up, replay
            ADD COLUMN project_id       bigint,
            ADD COLUMN job_name         text,
            ADD COLUMN environment_name text,
            ADD COLUMN git_sha          text,
            ADD COLUMN status           text,         -- success, error or cancelled
            ADD COLUMN cause            text,         -- why dbt Cloud started it, in its words
            ADD COLUMN never_counts     text,
            ADD COLUMN started_at       timestamptz,
            ADD COLUMN finished_at      timestamptz,
            ADD COLUMN steps            jsonb;
        UPDATE relay.dbt_runs SET source = 'catch_up' WHERE delivery_id IS NULL
        """
    )
