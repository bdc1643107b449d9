"""What people did: each action with its result, recorded in the transaction that does it."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec
from psycopg.types.json import Jsonb

from relay.store.transactions import Transactions, one


class ActionKind(StrEnum):
    """What a person can do."""

    REPLAY = "replay"
    TRIGGER = "trigger"
    FULL_SYNC = "full sync"
    HOLD = "hold"
    RELEASE = "release"
    MUTE = "mute"
    UNMUTE = "unmute"
    CANCEL = "cancel"


class Through(StrEnum):
    """By which means it was done."""

    DASHBOARD = "dashboard"
    COMMAND = "command"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One thing of an action: what it was done to, and in words what was done, or why not.

    The ids are None for what is no dbt run, or no single sync.
    """

    says: str
    dbt_run_id: int | None = None
    workspace: str | None = None
    sync_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionResult:
    """What was done and what was left alone; `request_id` is of what a worker was asked for."""

    done: tuple[Part, ...] = ()
    left_alone: tuple[Part, ...] = ()
    notes: tuple[str, ...] = ()
    request_id: uuid.UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """An action to be recorded; `subject` says in words what it was done to."""

    at: datetime
    who: str
    through: Through
    what: ActionKind
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedAction:
    """An action as recorded."""

    action_id: int
    at: datetime
    who: str
    through: str
    what: str
    subject: str
    result: ActionResult


class Actions(Transactions):
    """The record of what people did."""

    def begin(self, nonce: uuid.UUID, *, now: datetime) -> int | None:
        """Begin an action with the nonce of its form; None if there is one with it.

        What it does is recorded by `finish`, in the same transaction. Until the end of that, others
        wait to begin: each sees what those before it have done.
        """
        with self._statement() as connection:
            connection.execute(_ONE_AT_A_TIME)
            row = connection.execute(_BEGIN, (nonce, now)).fetchone()
            return None if row is None else int(row[0])

    def finish(self, action_id: int, action: Action, result: ActionResult) -> None:
        """Record what an action that was begun has done."""
        with self._statement() as connection:
            connection.execute(_FINISH, (*_values(action, result), action_id))

    def record(self, action: Action, result: ActionResult) -> None:
        """Record an action that was done."""
        with self._statement() as connection:
            connection.execute(_RECORD, _values(action, result))

    def id_of(self, nonce: uuid.UUID) -> int | None:
        """The action that was done with this nonce; None if there is none."""
        with self._statement() as connection:
            row = connection.execute(_ID_OF, (nonce,)).fetchone()
            return None if row is None else int(row[0])

    def get(self, action_id: int) -> RecordedAction | None:
        """An action, or None."""
        with self._statement() as connection:
            row = one(connection, ActionRow, f"SELECT {COLUMNS} {_OF_ID}", (action_id,))
            return None if row is None else row.as_recorded()


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionRow:
    """A row of the table."""

    action_id: int
    at: datetime
    who: str
    through: str
    what: str
    subject: str
    result: Any

    def as_recorded(self) -> RecordedAction:
        """The action."""
        return RecordedAction(
            action_id=self.action_id,
            at=self.at,
            who=self.who,
            through=self.through,
            what=self.what,
            subject=self.subject,
            result=msgspec.convert(self.result, ActionResult),
        )


def _values(action: Action, result: ActionResult) -> tuple[object, ...]:
    written = (action.at, action.who, action.through, action.what, action.subject)
    return (*written, Jsonb(msgspec.to_builtins(result)))


COLUMNS = "action_id, at, who, through, what, subject, result"
_OF_ID = "FROM relay.actions WHERE action_id = %s"
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtextextended('relay actions', 0))"
_BEGIN = """
INSERT INTO relay.actions (nonce, at, who, through, what, subject, result)
VALUES (%s, %s, '', '', '', '', '{}')
ON CONFLICT (nonce) DO NOTHING
RETURNING action_id
"""
_FINISH = """
UPDATE relay.actions
SET (at, who, through, what, subject, result) = (%s, %s, %s, %s, %s, %s)
WHERE action_id = %s
"""
_RECORD = """
INSERT INTO relay.actions (at, who, through, what, subject, result)
VALUES (%s, %s, %s, %s, %s, %s)
"""
_ID_OF = "SELECT action_id FROM relay.actions WHERE nonce = %s"
