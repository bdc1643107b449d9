"""Mutes: while one is open, no message is sent about its sync."""

from dataclasses import dataclass
from datetime import datetime

from relay.store.transactions import Transactions, every, one
from relay.workspaces import SyncKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Mute:
    """A sync about which nothing is sent until `until`; `by` is who set it."""

    workspace: str
    sync_id: int
    since: datetime
    until: datetime
    why: str | None
    by: str

    @property
    def key(self) -> SyncKey:
        """Its sync."""
        return self.workspace, self.sync_id


class Mutes(Transactions):
    """The mutes, one for each sync."""

    def mute(
        self, sync: SyncKey, *, until: datetime, why: str | None, by: str, now: datetime
    ) -> Mute:
        """Mute a sync; if it is muted already, change that."""
        with self._statement() as connection:
            mute = one(connection, Mute, _MUTE, (*sync, now, until, why, by, now))
            assert mute is not None
            return mute

    def unmute(self, sync: SyncKey, *, now: datetime) -> Mute | None:
        """End the mute of a sync, and return it as it was; None if it was not muted."""
        with self._statement() as connection:
            mute = one(connection, Mute, _UNMUTE, sync)
            return mute if mute is not None and mute.until > now else None

    def open(self, *, now: datetime) -> tuple[Mute, ...]:
        """The mutes whose time is not up; the last to end first."""
        with self._statement() as connection:
            return tuple(every(connection, Mute, _OPEN, (now,)))


_COLUMNS = "workspace, sync_id, since, until, why, muted_by AS by"
_MUTE = f"""
INSERT INTO relay.mutes AS known (workspace, sync_id, since, until, why, muted_by)
VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (workspace, sync_id) DO UPDATE
SET since = CASE WHEN known.until > %s THEN known.since ELSE EXCLUDED.since END,
    until = EXCLUDED.until, why = EXCLUDED.why, muted_by = EXCLUDED.muted_by
RETURNING {_COLUMNS}
"""
_UNMUTE = f"DELETE FROM relay.mutes WHERE (workspace, sync_id) = (%s, %s) RETURNING {_COLUMNS}"
_OPEN = f"SELECT {_COLUMNS} FROM relay.mutes WHERE until > %s ORDER BY until DESC"
