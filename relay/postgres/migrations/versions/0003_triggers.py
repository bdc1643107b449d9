"""Triggers: `covers_until` instead of what read as a duration, and `superseded`."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Rename two columns, in a transaction of their own."""
    op.execute(
        """
        ALTER TABLE relay.triggers RENAME ran_for TO covers_until;
        ALTER TABLE relay.triggers RENAME is_redone TO superseded;
        """
    )
