"""dbt runs: `failures` and `backoff_spent`, as of sync runs; a retried run is no attempt."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Rename two columns and an index, in a transaction of their own."""
    op.execute(
        """
        ALTER TABLE relay.dbt_runs RENAME faults TO failures;
        ALTER TABLE relay.dbt_runs RENAME paused TO backoff_spent;
        ALTER INDEX relay.attempts_at_one_run RENAME TO runs_of_one_retry_chain;
        """
    )
