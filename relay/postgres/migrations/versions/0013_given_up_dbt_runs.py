"""An index of the dbt runs that were given up: each scrape of /metrics counts them."""

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Create an index on one table, in a transaction of its own."""
    op.execute(
        """
        CREATE INDEX given_up_dbt_runs ON relay.dbt_runs (given_up_at)
            WHERE given_up_at IS NOT NULL
        """
    )
