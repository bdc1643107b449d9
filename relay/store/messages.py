"""Messages to channels: stored as they are composed, and sent by a job for each channel."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString

import msgspec
from psycopg.types.json import Jsonb

from relay.messages.compose import Outgoing
from relay.messages.message import Message
from relay.store import jobs
from relay.store.tallies import add_tallies, count
from relay.store.transactions import Connection, Transactions, one

BETWEEN_MESSAGES = timedelta(seconds=1)  # to one channel
UNKNOWN_KIND = "unknown"  # of a channel that is no longer in the mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMessage:
    """A message that was not sent yet; `backoff_spent` is the sum of its pauses, in seconds."""

    message: Message
    channel: str
    failures: int
    backoff_spent: float


class Messages(Transactions):
    """The messages, and the jobs that send them."""

    def defer_due(self, *, now: datetime) -> None:
        """Defer the job of each channel that has a message to be sent now.

        Not if a job of the channel waits: each defers the next one until all are sent.
        """
        with self._transaction() as connection:
            given = (now, jobs.MESSAGES_QUEUE)
            for (channel,) in connection.execute(_DUE_CHANNELS, given).fetchall():
                jobs.send_messages(connection, channel)

    def send_now(self, channel: str) -> None:
        """Defer the job that sends the channel's oldest message."""
        with self._statement() as connection:
            jobs.send_messages(connection, channel)

    @contextmanager
    def claim(self, channel: str, *, now: datetime) -> "Iterator[ClaimedMessage | None]":
        """Claim the channel's oldest unsent message, until its sending is recorded.

        The database releases the claim if this process dies. None if there is nothing to be sent
        now. If only the last message is too recent, a later job is deferred.
        """
        with self._transaction() as connection:
            row = one(connection, _Row, _CLAIM, (channel,))
            if row is None or row.due_at > now:  # a job for then exists
                yield None
            elif (last := _last_sent(connection, channel)) and _is_too_recent(last, now):
                jobs.schedule_send(connection, channel, last + BETWEEN_MESSAGES)
                yield None
            else:
                yield ClaimedMessage(connection, row)


class ClaimedMessage:
    """A message that no other worker sends until the claiming transaction ends."""

    def __init__(self, connection: Connection, row: "_Row") -> None:
        self._connection = connection
        self.stored = StoredMessage(
            message=msgspec.convert(row.content, Message),
            channel=row.channel,
            failures=row.failures,
            backoff_spent=row.backoff_spent,
        )

    def sent(self, kind: str, *, at: datetime) -> None:
        """Record that it was sent, with the job for the channel's next message."""
        self._end(_SENT, (at, self.stored.message.message_id), at)
        add_tallies(self._connection, [count(_TOLD, kind=kind, result="sent")])

    def failed(self, kind: str, problem: str, *, at: datetime) -> None:
        """Record that it is not sent any more, with the job for the channel's next message."""
        self._end(_FAILED, (at, problem, self.stored.message.message_id), at)
        add_tallies(self._connection, [count(_TOLD, kind=kind, result="failed")])

    def retry(self, problem: str, backoff: timedelta, *, at: datetime) -> None:
        """Record a failure, with the job that sends it again after the backoff."""
        due = at + backoff
        message_id = self.stored.message.message_id
        given = (due, backoff.total_seconds(), problem, message_id)
        self._connection.execute(_RETRIED, given)
        jobs.schedule_send(self._connection, self.stored.channel, due)

    def _end(self, statement: LiteralString, arguments: Sequence[object], at: datetime) -> None:
        self._connection.execute(statement, arguments)
        if self._connection.execute(_HAS_MORE, (self.stored.channel,)).rowcount:
            jobs.schedule_send(self._connection, self.stored.channel, at + BETWEEN_MESSAGES)


def store_message(connection: Connection, outgoing: Outgoing, now: datetime) -> None:
    """Store a composed message and what it says of its alerts; a later job sends it.

    A channel's messages are sent in the order of `now`.
    """
    message = outgoing.message
    content = Jsonb(msgspec.to_builtins(message))
    given = (message.message_id, outgoing.channel, content, now, now)
    if connection.execute(_STORE, given).rowcount:
        said = (message.message_id, outgoing.channel, message.says, now, list(outgoing.alert_ids))
        connection.execute(_SAY, said)


@dataclass(frozen=True, slots=True)
class _Row:
    channel: str
    content: Any
    due_at: datetime
    failures: int
    backoff_spent: float


def _last_sent(connection: Connection, channel: str) -> datetime | None:
    (at,) = connection.execute(_LAST_SENT, (channel,)).fetchone() or (None,)
    return at


def _is_too_recent(last: datetime, now: datetime) -> bool:
    """Not if it is in the future: another machine's clock was ahead."""
    return timedelta() <= now - last < BETWEEN_MESSAGES


_TOLD = "relay_alerts_sent_total"
_STORE = """
INSERT INTO relay.messages (message_id, channel, content, created_at, due_at)
VALUES (%s, %s, %s, %s, %s) ON CONFLICT (message_id) DO NOTHING
"""
_SAY = """
INSERT INTO relay.alert_messages (message_id, channel, says, said_at, alert_id)
SELECT %s, %s, %s, %s, unnest(%s::bigint[])
"""
_IS_UNSENT = "sent_at IS NULL AND failed_at IS NULL"
_DUE_CHANNELS = f"""
SELECT channel FROM (
    SELECT DISTINCT channel FROM relay.messages WHERE {_IS_UNSENT} AND due_at <= %s) AS due
WHERE NOT EXISTS (
    SELECT FROM procrastinate_jobs
    WHERE queue_name = %s AND status = 'todo' AND args ->> 'channel' = due.channel)
ORDER BY channel
"""
# The oldest one or none: if another worker has it, the channel's next one waits.
_CLAIM = f"""
SELECT channel, content, due_at, failures, backoff_spent FROM relay.messages
WHERE message_id = (
    SELECT message_id FROM relay.messages WHERE channel = %s AND {_IS_UNSENT}
    ORDER BY created_at, message_id LIMIT 1)
  AND {_IS_UNSENT}
FOR UPDATE SKIP LOCKED
"""
_LAST_SENT = "SELECT max(coalesce(sent_at, failed_at)) FROM relay.messages WHERE channel = %s"
_HAS_MORE = f"SELECT FROM relay.messages WHERE channel = %s AND {_IS_UNSENT} LIMIT 1"
_SENT = "UPDATE relay.messages SET sent_at = %s, problem = NULL WHERE message_id = %s"
_FAILED = "UPDATE relay.messages SET failed_at = %s, problem = %s WHERE message_id = %s"
_RETRIED = """
UPDATE relay.messages
SET due_at = %s, failures = failures + 1, backoff_spent = backoff_spent + %s, problem = %s
WHERE message_id = %s
"""
