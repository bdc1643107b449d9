"""The newest decisions, and those on one run in the order of its page, are found by an index.

They have the reasons, too: these are counted.
"""

from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Create indexes on one table, in a transaction of its own, in place of one that had less."""
    op.execute(
        """
        CREATE INDEX newest_decisions ON relay.decisions (decided_at) INCLUDE (reason);
        CREATE INDEX newest_decisions_of_a_sync
            ON relay.decisions (workspace, sync_id, decided_at, dbt_run_id) INCLUDE (reason);
        CREATE INDEX decisions_of_a_run
            ON relay.decisions (dbt_account_id, dbt_run_id, workspace, sync_id) INCLUDE (reason);
        DROP INDEX relay.decisions_on_a_run
        """
    )
