"""How the mapping differs from Census and dbt, as last compared, for the log and `relay status`."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Create two tables, in a transaction of its own; the second one has at most one row."""
    op.execute(
        """
        CREATE TABLE relay.drift (
            workspace text NOT NULL,
            sync_id   bigint NOT NULL,
            kind      text NOT NULL,
            subject   text NOT NULL,
            severity  text NOT NULL,
            detail    text NOT NULL,
            found_at  timestamptz NOT NULL,
            PRIMARY KEY (workspace, sync_id, kind, subject)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE relay.drift_checks (
            is_last     boolean PRIMARY KEY DEFAULT true CHECK (is_last),
            digest      text NOT NULL,
            checked_at  timestamptz NOT NULL,
            not_checked text[] NOT NULL
        )
        """
    )
