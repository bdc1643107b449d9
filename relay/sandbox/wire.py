"""What both simulators share: the wire to them, faults put into it, a journal of requests."""

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

KEPT_REQUESTS = 10_000  # of each simulator; those before are only counted
_IN_PATH = re.compile(r"(?<=/)[0-9]+(?=/|$)")  # an id


@dataclass(frozen=True, slots=True)
class Status:
    """Answer with this status at once; `retry_after` is seconds, None for no such header."""

    code: int
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class StatusAfter:
    """Do the work, then answer with this status: a gateway that gave up too early."""

    code: int


@dataclass(frozen=True, slots=True)
class HangUp:
    """Close the connection without doing or answering anything."""


@dataclass(frozen=True, slots=True)
class HangUpAfter:
    """Do the work, then close the connection without an answer: the answer is lost."""


@dataclass(frozen=True, slots=True)
class Delay:
    """Do the work at once and answer this much later: who gives up waiting loses the answer."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Body:
    """Answer with this instead: a login page, half a JSON document, another error."""

    content: bytes
    status: int = 200
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class TruncatedBody:
    """Do the work, promise the whole answer and close after half of it."""


Fault = Status | StatusAfter | HangUp | HangUpAfter | Delay | Body | TruncatedBody

# What passes: whoever looks at what was done and asks again comes through all of it.
PASSING: tuple[Fault, ...] = (
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
    """A request as it came; `query` is still encoded."""

    method: str
    path: str
    query: str
    at: datetime

    @property
    def line(self) -> str:
        """`POST /api/v1/syncs/5123/trigger`: what `fail_next` and `requests_to` look into."""
        return f"{self.method} {self.path}"

    @property
    def kind(self) -> str:
        """`POST /api/v1/syncs/*/trigger`: what requests are counted by."""
        return _IN_PATH.sub("*", self.line)


@dataclass(slots=True)
class _Armed:
    path_part: str
    fault: Fault
    left: int


@dataclass(frozen=True, slots=True)
class _Weather:
    """Some requests meet a fault: which ones, and which fault, the seed has settled."""

    share: float
    faults: Sequence[Fault]
    chance: random.Random

    def next_fault(self) -> Fault | None:
        # Both are drawn for every request: what the n-th meets does not hang on those before it.
        met, fault = self.chance.random() < self.share, self.chance.choice(self.faults)
        return fault if met else None


class Simulator(ABC):
    """A vendor's API as a WSGI app. Safe to ask and to steer from several threads at once."""

    url = ""  # where it is served; `Sandbox` fills it in
    passing_faults: ClassVar[tuple[Fault, ...]] = PASSING

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._requests: deque[Seen] = deque(maxlen=KEPT_REQUESTS)
        self._counts: Counter[str] = Counter()
        self._armed: list[_Armed] = []
        self._weather: _Weather | None = None
        self._app = Flask(type(self).__module__, static_folder=None)
        self._app.before_request(self._let_in)
        self._app.register_error_handler(HTTPException, self._in_our_words)

    def fail_next(self, path_part: str, fault: Fault, *, times: int = 1) -> None:
        """Let the next requests whose `METHOD /path` contains `path_part` meet this fault.

        A request meets one fault: of those that fit, the one that was asked for first.
        """
        with self._lock:
            self._armed.append(_Armed(path_part, fault, times))

    def fail_at_random(self, share: float, faults: Sequence[Fault], *, seed: int) -> None:
        """Let from now on this share of the requests, from 0 to 1, meet one of these faults each.

        The n-th request from now meets the same under the same seed, whichever thread asks it. A
        fault of `fail_next` goes first. In place of an earlier share; `heal` ends it.
        `passing_faults` are those that a patient client comes through. Raises ValueError.
        """
        if not 0 <= share <= 1:
            raise ValueError(f"a share is a number from 0 to 1, not {share}")
        if not faults:
            raise ValueError("there is no fault to meet")
        chance = random.Random(seed)  # noqa: S311  no secret: to be had again is its purpose
        with self._lock:
            self._weather = _Weather(share, tuple(faults), chance)

    def heal(self) -> None:
        """Forget every fault that no request has met yet, and those met at random."""
        with self._lock:
            self._armed.clear()
            self._weather = None

    @property
    def requests(self) -> list[Seen]:
        """The newest KEPT_REQUESTS requests, in the order they came, the failed ones too."""
        with self._lock:
            return list(self._requests)

    @property
    def request_counts(self) -> dict[str, int]:
        """How many requests came, of each method and path, ids in it as `*`; all since the start.

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
        """Let no delayed answer hold anyone up any longer."""
        self._closing.set()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request, or let it meet a fault."""
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
                raise ConnectionAbortedError  # the server closes the connection, and says nothing
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

    def _in_our_words(self, exc: HTTPException) -> Response:
        if exc is request.routing_exception:
            # Not 404: dagster-dbt takes that for "deleted already", and relay for "no such file".
            said = f"The sandbox does not serve {request.method} {request.path}."
            return self._not_served(HTTPStatus.NOT_IMPLEMENTED, said)
        return self._error(exc.code or 500, request.path, exc.description)

    @abstractmethod
    def _let_in(self) -> Response | None:
        """The answer to a request without the right credentials, None to let it in."""

    @abstractmethod
    def _error(self, code: int, path: str, detail: str | None = None) -> Response:
        """How this vendor words an error for this path."""

    @abstractmethod
    def _not_served(self, code: int, said: str) -> Response:
        """The answer to a request for which there is no route, in this vendor's form."""


def _first_half(content: bytes) -> Iterator[bytes]:
    yield content[: len(content) // 2]
    raise ConnectionAbortedError


def as_json(body: Any, code: int = 200) -> Response:
    """A JSON answer, its keys in the order given."""
    return Response(msgspec.json.encode(body), code, content_type="application/json")
