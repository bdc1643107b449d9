"""Holds, and which triggers were decided in a dry run."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Create one table, and add a column to one other: more locks could meet a deadlock."""
    op.execute(
        """
        CREATE TABLE relay.holds (
            hold_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            workspace   text,                  -- null: of every workspace
            sync_id     bigint,                -- null: all syncs of the workspace, or of all
            since       timestamptz NOT NULL,
            until       timestamptz,           -- null: until a person releases it
            why         text,
            held_by     text NOT NULL,
            released_by text,                  -- null: nobody, its time was up
            ended_at    timestamptz,           -- when a worker started what had waited
            CHECK (sync_id IS NULL OR workspace IS NOT NULL),
            CHECK (ended_at IS NULL OR until IS NOT NULL)
        );
        CREATE UNIQUE INDEX one_open_hold_of_a_scope
            ON relay.holds (coalesce(workspace, ''), coalesce(sync_id, 0))
            WHERE ended_at IS NULL;
        CREATE INDEX ended_holds ON relay.holds (ended_at);

        ALTER TABLE relay.triggers ADD COLUMN dry_run boolean NOT NULL DEFAULT false;
        """
    )
