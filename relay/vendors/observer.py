"""What is recorded of each request that is sent to a vendor, for the metrics."""

from enum import StrEnum
from http import HTTPStatus
from typing import Final, Protocol

NO_ANSWER: Final = "none"
CODES: Final = ("2xx", "3xx", "4xx", "429", "5xx", NO_ANSWER)


class Operation(StrEnum):
    """What a request is for: a closed set, which no path or id becomes a part of."""

    GET_RUN = "get_run"
    LIST_RUNS = "list_runs"
    GET_RUN_RESULTS = "get_run_results"
    GET_MANIFEST = "get_manifest"
    LIST_SUBSCRIPTIONS = "list_subscriptions"
    READ_PROJECT = "read_project"  # environments and jobs
    TRIGGER_SYNC = "trigger_sync"
    GET_SYNC_RUN = "get_sync_run"
    LIST_SYNC_RUNS = "list_sync_runs"
    FIND_API_VERSION = "find_api_version"
    MANAGE = "manage"  # Census's management API
    OTHER = "other"


class RequestObserver(Protocol):
    """Records the requests to one vendor, or to one workspace of it; from any thread."""

    def sent(self, operation: Operation, code: str, seconds: float) -> None:
        """A request was sent; `code` is one of CODES, `seconds` is until its answer was read."""

    def paused(self, seconds: float) -> None:
        """The vendor asked with HTTP 429 for a pause."""


class NoObserver:
    """For a command, whose requests are not counted."""

    def sent(self, operation: Operation, code: str, seconds: float) -> None:
        """Ignore it."""

    def paused(self, seconds: float) -> None:
        """Ignore it."""


def code_of(http_status: int | None) -> str:
    """The class of a status; None if no whole answer arrived."""
    if http_status is None or not 200 <= http_status < 600:  # noqa: PLR2004
        return NO_ANSWER
    if http_status == HTTPStatus.TOO_MANY_REQUESTS:
        return "429"
    return f"{http_status // 100}xx"
