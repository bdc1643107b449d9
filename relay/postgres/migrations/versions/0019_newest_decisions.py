"""The newest decisions, of all syncs and of one, are found without reading the others."""

from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Create indexes on one table, in a transaction of its own."""
    op.execute(
        """
        CREATE INDEX newest_decisions ON relay.decisions (decided_at);
        CREATE INDEX newest_decisions_of_a_sync ON relay.decisions (workspace, sync_id, decided_at)
        """
    )
