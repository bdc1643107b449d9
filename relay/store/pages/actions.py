"""The newest actions of people."""

from datetime import datetime

import msgspec
from msgspec import structs

from relay.store.actions import ActionRow, RecordedAction
from relay.store.pages.listing import Before, Rows, newest
from relay.store.transactions import Transactions


class ActionFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which actions; None for any."""

    who: str | None = None
    what: str | None = None
    since: datetime | None = None


class ActionPages(Transactions):
    """The actions for the dashboard."""

    def newest(
        self, wanted: ActionFilter, *, before: Before | None, rows: int
    ) -> Rows[RecordedAction]:
        """The newest of these actions."""
        with self._statement() as connection:
            found = newest(
                connection,
                ActionRow,
                (_NEWEST, _LAST_SCANNED),
                structs.asdict(wanted),
                before=before,
                rows=rows,
                key_of=lambda row: (row.at, str(row.action_id)),
            )
        return Rows([row.as_recorded() for row in found.rows], found.next_before)


_WHERE = """
FROM relay.actions
WHERE (%(at)s::timestamptz IS NULL OR (at, action_id) < (%(at)s, %(row_id)s::bigint))
  AND (%(since)s::timestamptz IS NULL OR at >= %(since)s)
ORDER BY at DESC, action_id DESC
"""
_NEWEST = f"""
SELECT action_id, at, who, through, what, subject, result
FROM (SELECT * {_WHERE} LIMIT %(scanned)s) AS scanned
WHERE (%(who)s::text IS NULL OR who = %(who)s)
  AND (%(what)s::text IS NULL OR what = %(what)s)
ORDER BY at DESC, action_id DESC LIMIT %(rows)s
"""
_LAST_SCANNED = f"SELECT at, action_id {_WHERE} OFFSET %(skipped)s LIMIT 1"
