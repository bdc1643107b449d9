"""What an id is of: people paste ids of dbt Cloud, Census and relay, and do not say which."""

import uuid
from enum import StrEnum

import msgspec

from relay.store.transactions import Transactions, every

MOST_MATCHES = 20  # of one kind


class Kind(StrEnum):
    """What has an id."""

    DELIVERY = "delivery"
    DBT_RUN = "dbt run"
    SYNC = "sync"
    SYNC_RUN = "sync run"


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """Something with the id that was looked for; what a kind does not have is None.

    A sync run is identified by its attempt_id.
    """

    kind: Kind
    delivery_id: uuid.UUID | None = None
    dbt_run_id: int | None = None
    workspace: str | None = None
    sync_id: int | None = None
    attempt_id: int | None = None


class IdPages(Transactions):
    """Look ids up, each in an index."""

    def deliveries_by_id(self, delivery_id: uuid.UUID) -> list[Match]:
        """The delivery of relay's id."""
        sql = f"{_DELIVERY} WHERE delivery_id = %s"
        with self._statement() as connection:
            return every(connection, Match, sql, (delivery_id,))

    def deliveries_by_event(self, event_id: str) -> list[Match]:
        """The deliveries of dbt Cloud's event id: one that counted, and ignored ones."""
        with self._statement() as connection:
            return every(connection, Match, _BY_EVENT, (event_id, event_id))

    def numbered(self, dbt_account_id: int, number: int) -> list[Match]:
        """Runs of the account, syncs that relay has decided on, and sync runs with this id."""
        given = {"dbt_account_id": dbt_account_id, "number": number}
        with self._statement() as connection:
            return every(connection, Match, _NUMBERED, given)

    def syncs(self, workspace: str, sync_id: int) -> list[Match]:
        """The sync of this workspace, if relay has decided on it."""
        sql = f"{_SYNC} WHERE (workspace, sync_id) = (%s, %s)"
        with self._statement() as connection:
            return every(connection, Match, sql, (workspace, sync_id))


_DELIVERY = f"SELECT '{Kind.DELIVERY}' AS kind, delivery_id FROM relay.deliveries"
# Two indexes, each of a part of the rows.
_BY_EVENT = f"""
({_DELIVERY} WHERE event_id = %s AND ignored_because IS NULL)
UNION ALL
({_DELIVERY} WHERE event_id = %s AND ignored_because IS NOT NULL
 ORDER BY received_at DESC LIMIT {MOST_MATCHES})
"""
_SYNC = f"SELECT '{Kind.SYNC}' AS kind, workspace, sync_id FROM relay.sync_states"
_NUMBERED = f"""
(SELECT '{Kind.DBT_RUN}' AS kind, dbt_run_id, NULL AS workspace, NULL::bigint AS sync_id,
        NULL::bigint AS attempt_id
 FROM relay.dbt_runs WHERE (dbt_account_id, dbt_run_id) = (%(dbt_account_id)s, %(number)s))
UNION ALL
(SELECT '{Kind.SYNC}', NULL, workspace, sync_id, NULL
 FROM relay.sync_states WHERE sync_id = %(number)s ORDER BY workspace LIMIT {MOST_MATCHES})
UNION ALL
(SELECT '{Kind.SYNC_RUN}', NULL, workspace, sync_id, attempt_id
 FROM relay.sync_runs WHERE sync_run_id = %(number)s
 ORDER BY attempt_id DESC LIMIT {MOST_MATCHES})
"""
