"""What the mapping selects in the dbt project, as a worker last compared them."""

from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Create tables."""
    op.execute(
        """
        CREATE TABLE relay.selections (
            workspace    text NOT NULL,
            sync_id      bigint NOT NULL,
            node         text NOT NULL,
            materialized text,               -- null: it is no model, or not known
            behind       text[] NOT NULL,    -- of a view or an ephemeral model: what it reads
            PRIMARY KEY (workspace, sync_id, node)
        );

        -- What the last run of each job did to a node that some sync reads.
        CREATE TABLE relay.model_states (
            dbt_account_id bigint NOT NULL,
            node           text NOT NULL,
            dbt_job_id     bigint NOT NULL,  -- 0: not known
            job_name       text,
            dbt_run_id     bigint NOT NULL,
            finished_at    timestamptz NOT NULL,
            result         text NOT NULL,
            failed_a_test  boolean,          -- null: not known which models the tests are of
            rebuilt_at     timestamptz,      -- end of the last run of the job that rebuilt it
            PRIMARY KEY (dbt_account_id, node, dbt_job_id)
        );

        -- What else only the manifest tells of the mapping; at most one row.
        CREATE TABLE relay.coverage (
            is_last  boolean PRIMARY KEY DEFAULT true CHECK (is_last),
            digest   text NOT NULL,          -- of the mapping
            found_at timestamptz NOT NULL,
            found    jsonb NOT NULL
        );
        CREATE INDEX syncs_of_a_node ON relay.selections (node);
        """
    )
