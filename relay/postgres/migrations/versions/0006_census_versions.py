"""The API version that Census showed for each workspace's key, for `relay status`."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Create one table, in a transaction of its own."""
    op.execute(
        """
        CREATE TABLE relay.census_versions (
            workspace text PRIMARY KEY,
            api_version text NOT NULL,
            found_at timestamptz NOT NULL
        )
        """
    )
