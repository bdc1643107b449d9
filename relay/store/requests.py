"""What a page asks of a worker, because it needs a vendor: each is answered once."""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec
from psycopg.types.json import Jsonb

from relay.store import jobs
from relay.store.answers import Answer, CancelAnswer, CheckAnswer, PlanAnswer
from relay.store.transactions import Connection, Transactions, one

MOST_OPEN = 10  # plans and checks without an answer: they take a worker's time and memory


class RequestKind(StrEnum):
    """What can be asked."""

    PLAN = "plan"  # what would be decided on a dbt run now
    CHECK = "check"  # how the mapping differs from dbt Cloud and Census now
    CANCEL = "cancel"  # cancel a sync run


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestArguments:
    """What a request is about: a dbt run for a plan, an attempt for a cancel."""

    dbt_run_id: int | None = None
    attempt_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRequest:
    """A request to be made; `request_id` is the nonce of its form."""

    request_id: uuid.UUID
    what: RequestKind
    arguments: RequestArguments
    who: str
    asked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as it is now.

    `started_at` is None until a worker has taken it, `answered_at` until it has its answer, or the
    problem why there is none. Before that, `problem` is that of the last try, and `again_at` the
    time of the next one.
    """

    request_id: uuid.UUID
    what: RequestKind
    arguments: RequestArguments
    who: str
    asked_at: datetime
    started_at: datetime | None
    failures: int
    backoff_spent: float
    again_at: datetime | None
    answered_at: datetime | None
    answer: Answer | None
    problem: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunToCancel:
    """A sync run that may be cancelled; `outcome` is None while it runs.

    `sync_run_id` is None until Census has started it.
    """

    attempt_id: int
    workspace: str
    sync_id: int
    sync_run_id: int | None
    begun_at: datetime
    status: str | None
    outcome: str | None


class Requests(Transactions):
    """The requests, and the jobs that answer them."""

    def ask(self, request: NewRequest) -> bool:
        """Record a request, with its job; False if it was made already."""
        with self._transaction() as connection:
            arguments = Jsonb(msgspec.to_builtins(request.arguments))
            given = (request.request_id, request.what, arguments, request.who, request.asked_at)
            is_new = connection.execute(_ASK, given).rowcount > 0
            if is_new:
                _defer(connection, request.request_id, None)
            return is_new

    def open_questions(self) -> int:
        """How many plans and checks have no answer yet."""
        with self._statement() as connection:
            (number,) = connection.execute(_OPEN).fetchone() or (0,)
            return int(number)

    def get(self, request_id: uuid.UUID) -> Request | None:
        """A request, or None."""
        with self._statement() as connection:
            return _as_request(one(connection, _Row, _GET, (request_id,)))

    def begin(self, request_id: uuid.UUID, *, now: datetime) -> Request | None:
        """Record that a worker is at it; None if it has its answer."""
        with self._statement() as connection:
            return _as_request(one(connection, _Row, _BEGIN, (now, request_id)))

    def answer(self, request_id: uuid.UUID, answer: Answer, *, now: datetime) -> None:
        """Record the answer, unless there is one."""
        with self._statement() as connection:
            connection.execute(_ANSWER, (now, Jsonb(msgspec.to_builtins(answer)), request_id))

    def fail(self, request_id: uuid.UUID, problem: str, *, now: datetime) -> None:
        """Record why there is no answer, and will be none."""
        with self._statement() as connection:
            connection.execute(_FAIL, (now, problem, request_id))

    def retry(
        self, request_id: uuid.UUID, problem: str, backoff: timedelta, *, now: datetime
    ) -> None:
        """Record a failure, with the job that tries again after the backoff."""
        again_at = now + backoff
        given = (problem, backoff.total_seconds(), again_at, request_id)
        with self._transaction() as connection:
            if connection.execute(_RETRY, given).rowcount:
                _defer(connection, request_id, again_at)

    def run_to_cancel(self, attempt_id: int) -> RunToCancel | None:
        """The sync run of an attempt; None if there is no such attempt."""
        with self._statement() as connection:
            return one(connection, RunToCancel, _RUN_TO_CANCEL, (attempt_id,))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    request_id: uuid.UUID
    what: str
    arguments: Any
    who: str
    asked_at: datetime
    started_at: datetime | None
    failures: int
    backoff_spent: float
    again_at: datetime | None
    answered_at: datetime | None
    answer: Any
    problem: str | None


_FORMS: dict[RequestKind, type[Any]] = {
    RequestKind.PLAN: PlanAnswer,
    RequestKind.CHECK: CheckAnswer,
    RequestKind.CANCEL: CancelAnswer,
}


def _as_request(row: _Row | None) -> Request | None:
    if row is None:
        return None
    what = RequestKind(row.what)
    answer = None if row.answer is None else msgspec.convert(row.answer, _FORMS[what])
    return Request(
        request_id=row.request_id,
        what=what,
        arguments=msgspec.convert(row.arguments, RequestArguments),
        who=row.who,
        asked_at=row.asked_at,
        started_at=row.started_at,
        failures=row.failures,
        backoff_spent=row.backoff_spent,
        again_at=row.again_at,
        answered_at=row.answered_at,
        answer=answer,
        problem=row.problem,
    )


def _defer(connection: Connection, request_id: uuid.UUID, at: datetime | None) -> None:
    arguments = {"request_id": str(request_id)}
    jobs.defer(connection, jobs.ANSWER_REQUEST, arguments, at=at, queue=jobs.REQUESTS_QUEUE)


_COLUMNS = (
    "request_id, what, arguments, who, asked_at, started_at, failures, backoff_spent, again_at,"
    " answered_at, answer, problem"
)
_ASK = """
INSERT INTO relay.requests (request_id, what, arguments, who, asked_at) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (request_id) DO NOTHING
"""
_OPEN = "SELECT count(*) FROM relay.requests WHERE answered_at IS NULL AND what <> 'cancel'"
_GET = f"SELECT {_COLUMNS} FROM relay.requests WHERE request_id = %s"
_BEGIN = f"""
UPDATE relay.requests SET started_at = coalesce(started_at, %s), again_at = NULL
WHERE request_id = %s AND answered_at IS NULL
RETURNING {_COLUMNS}
"""
_ANSWER = """
UPDATE relay.requests SET answered_at = %s, answer = %s, problem = NULL
WHERE request_id = %s AND answered_at IS NULL
"""
_FAIL = """
UPDATE relay.requests SET answered_at = %s, problem = %s
WHERE request_id = %s AND answered_at IS NULL
"""
_RETRY = """
UPDATE relay.requests
SET problem = %s, failures = failures + 1, backoff_spent = backoff_spent + %s, again_at = %s
WHERE request_id = %s AND answered_at IS NULL
"""
_RUN_TO_CANCEL = """
SELECT attempt_id, workspace, sync_id, sync_run_id, begun_at, status, outcome
FROM relay.sync_runs WHERE attempt_id = %s
"""
