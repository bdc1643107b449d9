"""Alerts: opened and resolved in the transaction that sees it, and found by a periodic review.

A transaction takes locks in this order: its own rows, sync_states, alerts, tallies. What changes
the alerts of a sync holds the row of its state, and rows are locked in the order of their ids.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from psycopg.types.json import Jsonb

from relay.channels import Event
from relay.messages.alerts import Alert, CausingRun, Detail, Said, Sighting
from relay.messages.compose import Composed
from relay.messages.message import Says
from relay.store.messages import store_message
from relay.store.retention import KEPT
from relay.store.transactions import Connection, Transactions, every
from relay.workspaces import SyncKey

# The events that a review finds; the others are opened where they happen.
REVIEWED = frozenset({Event.STALE, Event.DRIFTED, Event.UNWELL})


@dataclass(frozen=True, slots=True)
class Changes:
    """What a review has opened, and what it has found to be over."""

    opened: tuple[Alert, ...] = ()
    resolved: tuple[Alert, ...] = ()


class Alerts(Transactions):
    """All alerts."""

    def open(self) -> tuple[Alert, ...]:
        """The open alerts, oldest first."""
        with self._statement() as connection:
            return tuple(map(_alert, every(connection, _Row, _OPEN)))

    def review(
        self,
        seen: Sequence[Sighting],
        mapped: Collection[SyncKey],
        withdrawn: Collection[SyncKey],
        *,
        at: datetime,
    ) -> Changes | None:
        """Open alerts for what is seen, and resolve those of REVIEWED that are not seen any more.

        Alerts about syncs that are not `mapped` are withdrawn, and so are stale ones of the
        `withdrawn` syncs: it is not known to be over. None if another worker is at it.
        """
        with self._transaction() as connection:
            if not _is_alone(connection):
                return None
            opened = list(every(connection, _Row, _OPEN))
            known = {alert.key: alert for alert in map(_alert, opened)}
            new = [sighting for sighting in seen if sighting.key not in known]
            keys = {sighting.key for sighting in seen}
            gone = [a for a in known.values() if a.event in REVIEWED and a.key not in keys]
            dropped = [a for a in known.values() if _is_dropped(a, mapped, at)]
            dropped += [a for a in gone if a.event is Event.STALE and a.sync in withdrawn]
            dropped_ids = {alert.alert_id for alert in dropped}
            over = [alert for alert in gone if alert.alert_id not in dropped_ids]
            _close(connection, [alert.alert_id for alert in over], at, withdrawn=False)
            _close(connection, sorted(dropped_ids), at, withdrawn=True)
            return Changes(tuple(open_alerts(connection, new, at)), tuple(over))

    @contextmanager
    def telling(self) -> "Iterator[Telling | None]":
        """Open a transaction that composes messages; None if another worker is at it."""
        with self._transaction() as connection:
            yield Telling(connection) if _is_alone(connection) else None


class Telling:
    """The alerts about which something may have to be said, within the transaction of `telling`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.alerts = tuple(map(_alert, every(connection, _Row, _UNSETTLED)))
        ids = [alert.alert_id for alert in self.alerts]
        rows = connection.execute(_SAID, (ids,)) if ids else ()
        self.said = tuple(
            Said(alert_id, channel, Says(says), at, failed_at, failures)
            for alert_id, channel, says, at, failed_at, failures in rows
        )

    def record(self, composed: Composed, *, now: datetime) -> None:
        """Store the messages, and about which alerts nothing is left to be said."""
        for number, outgoing in enumerate(composed.messages):
            # The oldest is sent first: the end of an alert before the next one of its key.
            store_message(self._connection, outgoing, now + timedelta(microseconds=number))
        if composed.settled:
            self._connection.execute(_SETTLE, (now, list(composed.settled)))


def open_alerts(
    connection: Connection, sightings: Iterable[Sighting], at: datetime
) -> Iterable[Alert]:
    """Open an alert for each of these that has none; return those that were opened."""
    inserted = sorted(sightings, key=lambda each: (each.sync or ("", 0), each.event, each.subject))
    if not inserted:
        return []
    columns = {
        "events": [str(each.event) for each in inserted],
        "workspaces": [each.sync and each.sync[0] for each in inserted],
        "sync_ids": [each.sync and each.sync[1] for each in inserted],
        "subjects": [each.subject for each in inserted],
        "accounts": [each.dbt_run and each.dbt_run[0] for each in inserted],
        "runs": [each.dbt_run and each.dbt_run[1] for each in inserted],
        "details": [Jsonb(msgspec.to_builtins(each.detail)) for each in inserted],
        "at": at,
    }
    rows = connection.execute(_OPEN_ALL, columns).fetchall()
    return [_alert(_Row(*row)) for row in rows]


def resolve(
    connection: Connection,
    events: Sequence[Event],
    syncs: Sequence[SyncKey],
    *,
    at: datetime,
    subject: str | None = None,
    run_finished_at: datetime | None = None,
) -> None:
    """Resolve the open alerts of these events and syncs, and that of a dbt run with this subject.

    `run_finished_at` is when the dbt run ended that shows it: an alert that a later one caused
    stays open.
    """
    connection.execute(
        _RESOLVE,
        {
            "at": at,
            "events": [str(event) for event in events],
            "workspaces": [workspace for workspace, _ in syncs],
            "sync_ids": [sync_id for _, sync_id in syncs],
            "subject": subject,
            "finished_at": run_finished_at,
        },
    )


def _is_alone(connection: Connection) -> bool:
    """Whether no other worker reviews alerts or composes messages until the transaction ends."""
    row = connection.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", (_ME,))
    return bool((row.fetchone() or (False,))[0])


def _is_dropped(alert: Alert, mapped: Collection[SyncKey], now: datetime) -> bool:
    """Whether nobody is to hear of it: of a sync that is not mapped, or of a forgotten dbt run."""
    if alert.sync is not None:
        return alert.sync not in mapped
    return alert.event is Event.GIVEN_UP and alert.opened_at < now - KEPT


def _close(
    connection: Connection, alert_ids: Sequence[int], at: datetime, *, withdrawn: bool
) -> None:
    if alert_ids:
        connection.execute(_CLOSE, (at, withdrawn, list(alert_ids)))


@dataclass(frozen=True, slots=True)
class _Row:
    alert_id: int
    event: str
    workspace: str | None
    sync_id: int | None
    subject: str
    dbt_account_id: int | None
    dbt_run_id: int | None
    detail: Any
    opened_at: datetime
    resolved_at: datetime | None = None
    withdrawn: bool = False
    project_id: int | None = None
    job_name: str | None = None
    environment_name: str | None = None
    behind_since: datetime | None = None


def _alert(row: _Row) -> Alert:
    has_sync = row.workspace is not None and row.sync_id is not None
    return Alert(
        alert_id=row.alert_id,
        event=Event(row.event),
        sync=(row.workspace or "", row.sync_id or 0) if has_sync else None,
        subject=row.subject,
        detail=msgspec.convert(row.detail, Detail),
        opened_at=row.opened_at,
        resolved_at=row.resolved_at,
        is_withdrawn=row.withdrawn,
        run=_run(row),
        behind_since=row.behind_since,
    )


def _run(row: _Row) -> CausingRun | None:
    if row.dbt_account_id is None or row.dbt_run_id is None:
        return None
    return CausingRun(
        dbt_account_id=row.dbt_account_id,
        dbt_run_id=row.dbt_run_id,
        project_id=row.project_id,
        job_name=row.job_name,
        environment_name=row.environment_name,
    )


_ME = "relay/alerts"
_COLUMNS = (
    "alert_id, event, workspace, sync_id, subject, dbt_account_id, dbt_run_id, detail, opened_at"
)
_OPEN = f"""
SELECT {_COLUMNS}, resolved_at, withdrawn FROM relay.alerts
WHERE resolved_at IS NULL ORDER BY alert_id
"""
_UNSETTLED = f"""
SELECT {_COLUMNS}, resolved_at, withdrawn, project_id, job_name, environment_name, behind_since
FROM relay.alerts
LEFT JOIN (
    SELECT dbt_account_id, dbt_run_id, project_id, job_name, environment_name FROM relay.dbt_runs
) AS run USING (dbt_account_id, dbt_run_id)
LEFT JOIN (
    SELECT workspace, sync_id, behind_since FROM relay.sync_states
) AS state USING (workspace, sync_id)
WHERE settled_at IS NULL ORDER BY alert_id
"""
_SAID = """
SELECT alert_id, channel, says, max(said_at) FILTER (WHERE failed_at IS NULL) AS at,
       max(failed_at) AS failed_at, count(failed_at) AS failures
FROM relay.alert_messages JOIN relay.messages USING (message_id, channel)
WHERE alert_id = ANY(%s) GROUP BY alert_id, channel, says
"""
_SETTLE = "UPDATE relay.alerts SET settled_at = %s WHERE alert_id = ANY(%s)"
_OPEN_ALL = f"""
INSERT INTO relay.alerts
    (event, workspace, sync_id, subject, dbt_account_id, dbt_run_id, detail, opened_at)
SELECT event, workspace, sync_id, subject, dbt_account_id, dbt_run_id, detail, %(at)s
FROM unnest(
    %(events)s::text[], %(workspaces)s::text[], %(sync_ids)s::bigint[], %(subjects)s::text[],
    %(accounts)s::bigint[], %(runs)s::bigint[], %(details)s::jsonb[]
) AS seen (event, workspace, sync_id, subject, dbt_account_id, dbt_run_id, detail)
ON CONFLICT (event, coalesce(workspace, ''), coalesce(sync_id, 0), subject)
    WHERE resolved_at IS NULL DO NOTHING
RETURNING {_COLUMNS}
"""
_CLOSE = """
UPDATE relay.alerts SET resolved_at = %s, withdrawn = %s WHERE alert_id IN (
    SELECT alert_id FROM relay.alerts WHERE alert_id = ANY(%s) AND resolved_at IS NULL
    ORDER BY alert_id FOR NO KEY UPDATE)
"""
_RESOLVE = """
SELECT relay.resolve_alerts(
    %(at)s, %(events)s, %(workspaces)s, %(sync_ids)s, %(subject)s, %(finished_at)s)
"""
