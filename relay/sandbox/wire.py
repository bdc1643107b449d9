"""The base of both simulators: HTTP, injected faults, a journal of requests."""

import random
import re
import threading
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, ClassVar
from wsgiref.types import StartResponse, WSGIEnvironment

import msgspec
from flask import Flask, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from relay.clock import Clock

KEPT_REQUESTS = 10_000  # of each simulator; older ones are only counted
_IN_PATH = re.compile(r"(?<=/)[0-9]+(?=/|$)")  # an id


@dataclass(frozen=True, slots=True)
class Status:
    """Respond with this status without processing; `retry_after` in seconds, None: no header."""

    code: int
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class StatusAfter:
    """Process the request, then respond with this status, like a gateway that timed out."""

    code: int


@dataclass(frozen=True, slots=True)
class HangUp:
    """Close the connection without processing the request."""


@dataclass(frozen=True, slots=True)
class HangUpAfter:
    """Process the request, then close the connection without a response."""


@dataclass(frozen=True, slots=True)
class Delay:
    """Process the request at once, but delay the response, in seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Body:
    """Respond with this instead: a login page, half a JSON document, another error."""

    content: bytes
    status: int = 200
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class TruncatedBody:
    """Process the request, and close the connection after half of the response."""


Fault = Status | StatusAfter | HangUp | HangUpAfter | Delay | Body | TruncatedBody

# Transient faults: a client succeeds if it checks what was done, and retries.
TRANSIENT: tuple[Fault, ...] = (
    Status(500),
    Status(502),
    Status(429, retry_after=1),
    StatusAfter(503),
    HangUp(),
    HangUpAfter(),
    TruncatedBody(),
    Delay(0.3),
)


@dataclass(frozen=True, slots=True)
class Seen:
    """A received request; `query` is still encoded."""

    method: str
    path: str
    query: str
    at: datetime

    @property
    def line(self) -> str:
        """`POST /api/v1/syncs/5123/trigger`: what `fail_next` and `requests_to` search."""
        return f"{self.method} {self.path}"

    @property
    def kind(self) -> str:
        """`POST /api/v1/syncs/*/trigger`: the key by which requests are counted."""
        return _IN_PATH.sub("*", self.line)


@dataclass(slots=True)
class _Armed:
    path_part: str
    fault: Fault
    left: int


@dataclass(frozen=True, slots=True)
class _RandomFaults:
    """Random faults for a share of the requests, determined by the seed."""

    share: float
    faults: Sequence[Fault]
    chance: random.Random

    def next_fault(self) -> Fault | None:
        # Both numbers are drawn for every request, so that the n-th is independent of the others.
        met, fault = self.chance.random() < self.share, self.chance.choice(self.faults)
        return fault if met else None


class Simulator(ABC):
    """A vendor's API as a WSGI app. Thread-safe."""

    url = ""  # where it is served; `Sandbox` fills it in
    transient_faults: ClassVar[tuple[Fault, ...]] = TRANSIENT

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._requests: deque[Seen] = deque(maxlen=KEPT_REQUESTS)
        self._counts: Counter[str] = Counter()
        self._armed: list[_Armed] = []
        self._weather: _RandomFaults | None = None
        self._app = Flask(type(self).__module__, static_folder=None)
        self._app.before_request(self._check_credentials)
        self._app.register_error_handler(HTTPException, self._error_response)

    def fail_next(self, path_part: str, fault: Fault, *, times: int = 1) -> None:
        """Inject a fault into the next requests whose `METHOD /path` contains `path_part`.

        A request gets one fault: of several that match, the one that was added first.
        """
        with self._lock:
            self._armed.append(_Armed(path_part, fault, times))

    def fail_at_random(self, share: float, faults: Sequence[Fault], *, seed: int) -> None:
        """Inject one of these faults into each of this share of the requests, from 0 to 1.

        With the same seed, the n-th request from now gets the same fault. Faults of `fail_next`
        come first. Replaces an earlier share; `clear_faults` ends it. `transient_faults` are those
        that a client survives by retrying. Raises ValueError.
        """
        if not 0 <= share <= 1:
            raise ValueError(f"a share is a number from 0 to 1, not {share}")
        if not faults:
            raise ValueError("faults is empty")
        chance = random.Random(seed)  # noqa: S311 - not a secret, but reproducible
        with self._lock:
            self._weather = _RandomFaults(share, tuple(faults), chance)

    def clear_faults(self) -> None:
        """Remove all pending and random faults."""
        with self._lock:
            self._armed.clear()
            self._weather = None

    @property
    def requests(self) -> list[Seen]:
        """The newest KEPT_REQUESTS requests, oldest first, failed ones too."""
        with self._lock:
            return list(self._requests)

    @property
    def request_counts(self) -> dict[str, int]:
        """The number of requests since the start, by method and path, with ids as `*`.

        `{"POST /api/v1/syncs/*/trigger": 7}`
        """
        with self._lock:
            return dict(self._counts)

    def requests_to(self, path_part: str) -> list[Seen]:
        """Of `requests`, those whose `METHOD /path` contains `path_part`."""
        return [seen for seen in self.requests if path_part in seen.line]

    def now(self) -> datetime:
        """The time of day here."""
        return self._clock()

    def close(self) -> None:
        """Send all delayed responses now."""
        self._closing.set()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Respond to a request, or inject a fault."""
        match self._fault_for(environ):
            case None:
                return self._app(environ, start_response)
            case Status(code, retry_after):
                answer = self._error(code, environ["PATH_INFO"])
                if retry_after is not None:
                    answer.headers["Retry-After"] = str(retry_after)
                return answer(environ, start_response)
            case StatusAfter(code):
                self._work(environ)
                return self._error(code, environ["PATH_INFO"])(environ, start_response)
            case HangUp():
                raise ConnectionAbortedError  # the server closes the connection without a response
            case HangUpAfter():
                self._work(environ)
                raise ConnectionAbortedError
            case Delay(seconds):
                answer = self._work(environ)
                self._closing.wait(seconds)
                return answer(environ, start_response)
            case Body(content, status, content_type):
                answer = Response(content, status, content_type=content_type)
                return answer(environ, start_response)
            case TruncatedBody():
                answer = self._work(environ)
                start_response(answer.status, list(answer.get_wsgi_headers(environ)))
                return _first_half(answer.get_data())

    def _fault_for(self, environ: WSGIEnvironment) -> Fault | None:
        seen = Seen(
            environ["REQUEST_METHOD"], environ["PATH_INFO"], environ["QUERY_STRING"], self.now()
        )
        with self._lock:
            self._requests.append(seen)
            self._counts[seen.kind] += 1
            by_chance = self._weather.next_fault() if self._weather else None
            return self._armed_for(seen) or by_chance

    def _armed_for(self, seen: Seen) -> Fault | None:
        for armed in self._armed:
            if armed.path_part in seen.line:
                armed.left -= 1
                if armed.left < 1:
                    self._armed.remove(armed)
                return armed.fault
        return None

    def _work(self, environ: WSGIEnvironment) -> Response:
        return Response.from_app(self._app, environ, buffered=True)

    def _error_response(self, exc: HTTPException) -> Response:
        if exc is request.routing_exception:
            # Not 404: dagster-dbt would read it as "already deleted", relay as "no such file".
            said = f"The sandbox does not serve {request.method} {request.path}."
            return self._not_served(HTTPStatus.NOT_IMPLEMENTED, said)
        return self._error(exc.code or 500, request.path, exc.description)

    @abstractmethod
    def _check_credentials(self) -> Response | None:
        """The response to a request without valid credentials; None if they are valid."""

    @abstractmethod
    def _error(self, code: int, path: str, detail: str | None = None) -> Response:
        """This vendor's response for an error on this path."""

    @abstractmethod
    def _not_served(self, code: int, said: str) -> Response:
        """This vendor's response for a request without a route."""


def _first_half(content: bytes) -> Iterator[bytes]:
    yield content[: len(content) // 2]
    raise ConnectionAbortedError


def as_json(body: Any, code: int = 200) -> Response:
    """A JSON response, with its keys in the given order."""
    return Response(msgspec.json.encode(body), code, content_type="application/json")
