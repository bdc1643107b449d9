"""What was asked of a worker, and its answer when it is there."""

import uuid
from datetime import timedelta

import msgspec
from werkzeug.exceptions import NotFound

from relay.dashboard.visit import Visit
from relay.store.requests import Request

LATE = timedelta(seconds=20)  # a worker takes a request within a second


class RequestPage(msgspec.Struct, frozen=True, kw_only=True):
    """The request; `state` is asked, running, retried, done or failed.

    `is_late` says that no worker has taken it for LATE.
    """

    request: Request
    state: str
    is_late: bool


def view(visit: Visit, request_id: uuid.UUID) -> RequestPage:
    """Raises NotFound."""
    request = visit.store.requests.get(request_id)
    if request is None:
        raise NotFound("There is no such request, or relay does not keep it any more.")
    is_late = request.started_at is None and visit.now - request.asked_at >= LATE
    return RequestPage(request=request, state=_state(request), is_late=is_late)


def _state(request: Request) -> str:
    if request.answered_at is not None:
        return "done" if request.answer is not None else "failed"
    if request.again_at is not None:
        return "retried"
    return "asked" if request.started_at is None else "running"
