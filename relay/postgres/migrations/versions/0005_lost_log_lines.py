"""Log lines that a process could not write, for `relay status`: a log cannot show them itself."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create one table, in a transaction of its own."""
    op.execute(
        """
        CREATE TABLE relay.lost_log_lines (
            process  text PRIMARY KEY,
            count    bigint NOT NULL,
            last_at  timestamptz NOT NULL,
            problem  text NOT NULL
        )
        """
    )
