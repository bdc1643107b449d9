"""The newest decisions, and those on one run in the order of its page, are found by an index.

The one of a run's decisions has their reasons, too: the list of runs counts them.
"""

from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Create indexes on one table, in a transaction of its own, in place of one that had less."""
    op.execute(
        """
        CREATE INDEX newest_decisions ON relay.decisions (decided_at);
        CREATE INDEX newest_decisions_of_a_sync ON relay.decisions (workspace, sync_id, decided_at);
        CREATE INDEX decisions_of_a_run
            ON relay.decisions (dbt_account_id, dbt_run_id, workspace, sync_id) INCLUDE (reason);
        DROP INDEX relay.decisions_on_a_run
        """
    )
