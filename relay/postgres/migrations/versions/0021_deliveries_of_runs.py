"""The deliveries of a dbt run are found without reading the others."""

from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Create an index on one table, in a transaction of its own."""
    op.execute("CREATE INDEX deliveries_of_a_run ON relay.deliveries (dbt_account_id, dbt_run_id)")
