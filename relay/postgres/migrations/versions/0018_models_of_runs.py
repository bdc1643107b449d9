"""What a dbt run did to the models that syncs read, for its page."""

from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Add a column to one table, in a transaction of its own; null in rows of earlier versions."""
    op.execute("ALTER TABLE relay.dbt_runs ADD COLUMN models jsonb")
