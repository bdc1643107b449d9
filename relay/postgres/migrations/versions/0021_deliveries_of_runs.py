"""The deliveries of a dbt run, and ignored ones of an event, are found without the others."""

from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Create indexes on one table, in a transaction of its own."""
    op.execute(
        """
        CREATE INDEX deliveries_of_a_run ON relay.deliveries (dbt_account_id, dbt_run_id);
        CREATE INDEX ignored_deliveries_of_an_event ON relay.deliveries (event_id)
            WHERE ignored_because IS NOT NULL
        """
    )
