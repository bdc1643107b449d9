"""The API version that Census showed for each workspace's key."""

from datetime import datetime

from relay.store.transactions import Transactions


class CensusVersions(Transactions):
    """What the workers found out, for commands that do not ask Census."""

    def record(self, workspace: str, api_version: str, *, at: datetime) -> None:
        """Keep the version, v1 or v2, that a workspace's key opens."""
        with self._statement() as connection:
            connection.execute(
                """
                INSERT INTO relay.census_versions (workspace, api_version, found_at)
                VALUES (%s, %s, %s)
                ON CONFLICT (workspace) DO UPDATE
                SET api_version = excluded.api_version, found_at = excluded.found_at
                """,
                (workspace, api_version, at),
            )

    def by_workspace(self) -> dict[str, str]:
        """The version of each workspace that was found so far."""
        with self._statement() as connection:
            rows = connection.execute("SELECT workspace, api_version FROM relay.census_versions")
            return dict(rows.fetchall())
