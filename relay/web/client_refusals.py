"""Requests that were never complete: the responses, and at most one log line a minute."""

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

SECONDS_BETWEEN_LINES = 60.0  # so that malformed requests cannot fill the log
LONGEST_PROBLEM = 200  # characters

log = get_logger()


class Reason(StrEnum):
    """Why a request does not reach the application."""

    TOO_SLOW = "too_slow"
    MALFORMED = "malformed"
    TOO_MANY_LARGE = "too_many_large"  # it waited too long for other large requests
    CROWDED_OUT = "crowded_out"  # there were too many connections; closed without a response
    FAILED = "failed"  # an unexpected error


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


def error_response(reason: Reason, problem: object) -> bytes:
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
    """Counts refused requests, and logs the counts."""

    def __init__(self) -> None:
        self._counts: Counter[Reason] = Counter()
        self._problem: str | None = None
        self._next_line_at = 0.0

    def count(self, reason: Reason, problem: object = None) -> None:
        """Count one. The next log line contains the last problem."""
        self._counts[reason] += 1
        if problem is not None:
            self._problem = str(problem)[:LONGEST_PROBLEM]

    def count_failure(self, exc: Exception) -> None:
        """Count an unexpected error; the first one's traceback is logged."""
        if Reason.FAILED not in self._counts:
            log.error("clients.request_failed", exc_info=exc)
        self.count(Reason.FAILED, f"{type(exc).__name__}: {exc}")

    def log(self) -> None:
        """Log the counts since the last line, if there are any and a minute has passed."""
        if not self._counts or time.monotonic() < self._next_line_at:
            return
        log.warning("clients.refused", reasons=dict(self._counts), problem=self._problem)
        self._counts.clear()
        self._problem = None
        self._next_line_at = time.monotonic() + SECONDS_BETWEEN_LINES
