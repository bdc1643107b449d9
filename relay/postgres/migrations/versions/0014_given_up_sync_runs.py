"""An index of the sync runs that were refused or abandoned, for the same reason."""

from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Create an index on one table, in a transaction of its own."""
    op.execute(
        """
        CREATE INDEX given_up_sync_runs ON relay.sync_runs (outcome, attempt_id)
            WHERE outcome IN ('refused', 'abandoned')
        """
    )
