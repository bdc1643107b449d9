"""Requests that end before they are whole: how they are answered, and a log line a minute."""

import time
from collections import Counter
from enum import StrEnum
from http import HTTPStatus

import msgspec
from gunicorn.http.errors import (
    ExpectationFailed,
    LimitRequestHeaders,
    LimitRequestLine,
    UnsupportedTransferCoding,
)

from relay.logs import get_logger

SECONDS_BETWEEN_LINES = 60.0  # whoever sends nonsense does not fill the log with it
LONGEST_PROBLEM = 200  # characters

log = get_logger()


class Reason(StrEnum):
    """Why a client gets no answer of the application's."""

    TOO_SLOW = "too_slow"
    MALFORMED = "malformed"
    TOO_MANY_LARGE = "too_many_large"  # it waited too long for others that are large
    CROWDED_OUT = "crowded_out"  # there were too many connections; it gets no answer at all
    FAILED = "failed"  # an error that relay did not foresee


_STATUS = {
    Reason.TOO_SLOW: HTTPStatus.REQUEST_TIMEOUT,
    Reason.MALFORMED: HTTPStatus.BAD_REQUEST,
    Reason.TOO_MANY_LARGE: HTTPStatus.SERVICE_UNAVAILABLE,
    Reason.FAILED: HTTPStatus.INTERNAL_SERVER_ERROR,
}
_STATUS_OF_PROBLEM: dict[type, HTTPStatus] = {
    LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    UnsupportedTransferCoding: HTTPStatus.NOT_IMPLEMENTED,
    ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
}


def answer_to(reason: Reason, problem: object) -> bytes:
    """The whole HTTP response; `problem` is gunicorn's exception, or None."""
    status = _STATUS_OF_PROBLEM.get(type(problem), _STATUS[reason])
    body = msgspec.json.encode({"status": "refused", "reason": reason})
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}",
        "Connection: close",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    )
    return "\r\n".join((*head, "", "")).encode() + body


class ClientRefusals:
    """Counts them, and logs what came together."""

    def __init__(self) -> None:
        self._counts: Counter[Reason] = Counter()
        self._problem: str | None = None
        self._next_line_at = 0.0

    def count(self, reason: Reason, problem: object = None) -> None:
        """Count one. The next line has the last problem."""
        self._counts[reason] += 1
        if problem is not None:
            self._problem = str(problem)[:LONGEST_PROBLEM]

    def count_failure(self, exc: Exception) -> None:
        """Note an error that relay did not foresee. The first one's traceback is logged."""
        if Reason.FAILED not in self._counts:
            log.error("clients.request_failed", exc_info=exc)
        self.count(Reason.FAILED, f"{type(exc).__name__}: {exc}")

    def log(self) -> None:
        """Log the counts since the last line, if there are any and it is time."""
        if not self._counts or time.monotonic() < self._next_line_at:
            return
        log.warning("clients.refused", reasons=dict(self._counts), problem=self._problem)
        self._counts.clear()
        self._problem = None
        self._next_line_at = time.monotonic() + SECONDS_BETWEEN_LINES
