"""The sync runs that ended last are found without reading the others."""

from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Create indexes on one table, in a transaction of its own."""
    op.execute(
        """
        CREATE INDEX ended_sync_runs ON relay.sync_runs (ended_at) WHERE ended_at IS NOT NULL;
        CREATE INDEX sync_runs_by_census_id ON relay.sync_runs (sync_run_id)
        """
    )
