"""HTTP requests with time limits; every network failure becomes one of three errors.

`get` is for requests that may be retried; `post` for those that start something, where a lost
response must not lead to a second start.
"""

import io
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from relay.clock import Stopwatch, stopwatch
from relay.errors import Rejected, Unanswered, Unavailable
from relay.notation import LONGEST_MESSAGE, short_message
from relay.secret import Secret
from relay.vendors.body import Sink, TooLarge, mapped, read_body
from relay.vendors.call import Call
from relay.vendors.failures import Redirected, describe_failure, host_of, never_connected
from relay.vendors.headers import http_date, seconds_to_wait
from relay.vendors.observer import NoObserver, Operation, RequestObserver, code_of
from relay.vendors.session import Session, bearer

CONNECT_SECONDS = 3.05
LARGEST_ANSWER = 16 * 2**20  # bytes, of a response that is held in memory
LARGEST_DOWNLOAD = 2**30  # bytes on disk; a manifest of 50,000 models
LARGEST_COMPRESSED = 2**28  # bytes on the wire; artifacts shrink to a tenth
# Seconds that a body may take: the read timeout alone does not limit a slow body.
LONGEST_ANSWER, LONGEST_DOWNLOAD = 60.0, 600.0
TOO_MANY_REQUESTS = 429


@dataclass(frozen=True, slots=True)
class Answer:
    """A vendor's response, below 500 unless it was submitted. `vendor_now` is its Date header."""

    http_status: int
    body: bytes
    vendor_now: datetime | None

    @property
    def ok(self) -> bool:
        return 200 <= self.http_status < 300  # noqa: PLR2004

    @property
    def excerpt(self) -> str:
        """The beginning of the body, on one line, for a message."""
        return short_message(self.body[: 4 * LONGEST_MESSAGE].decode(errors="replace"))


@dataclass(frozen=True, slots=True)
class Download:
    """A response whose body is on disk; `content` is readable while the download is open."""

    http_status: int
    content: memoryview

    @property
    def ok(self) -> bool:
        return 200 <= self.http_status < 300  # noqa: PLR2004


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits for a body, in bytes and seconds."""

    answer: int = LARGEST_ANSWER
    answer_seconds: float = LONGEST_ANSWER
    download: int = LARGEST_DOWNLOAD
    download_seconds: float = LONGEST_DOWNLOAD
    compressed: int = LARGEST_COMPRESSED


class Transport:
    """A vendor's base URL and our token for it.

    After HTTP 429 nothing is sent until the pause that the vendor asked for is over: each request
    fails as if the vendor had responded with 429 again. Each Transport has its own pause.
    """

    def __init__(
        self,
        *,
        vendor: str,
        setting: str,
        base_url: str,
        token: Secret,
        read_seconds: float,
        connections: int,
        downloads: Path | None = None,
        limits: Limits | None = None,
        stopwatch: Stopwatch = stopwatch,
        observer: RequestObserver | None = None,
    ) -> None:
        """`setting` is the name of the setting for `base_url`.

        `downloads` is the folder for large bodies; None for the system's temporary folder.
        """
        self._vendor = vendor
        self._setting = setting
        self._base_url = base_url
        self._read_seconds = read_seconds
        self._downloads = downloads
        self._limits = limits or Limits()
        self._stopwatch = stopwatch
        self._observer = observer or NoObserver()
        self._paused_until: float | None = None  # by the stopwatch; None before the first 429
        self._session = Session(bearer(token))
        self._session.headers["Accept-Encoding"] = "gzip"
        self._session.mount(base_url, HTTPAdapter(pool_maxsize=connections))

    def __repr__(self) -> str:
        return f"Transport({self._vendor}, {self._base_url})"

    def get(
        self,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        operation: Operation = Operation.OTHER,
        read_seconds: float | None = None,
    ) -> Answer:
        """GET, with a read time-out of its own if one is given.

        Raises Unavailable for no response, and for HTTP 429 and from 500 up.
        """
        body = io.BytesIO()
        call = Call("GET", path, params, read_seconds=read_seconds, operation=operation)
        http_status, vendor_now = self._get(call, self._answer_into(body))
        return Answer(http_status, body.getvalue(), vendor_now)

    @contextmanager
    def download(
        self,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        operation: Operation = Operation.OTHER,
    ) -> Iterator[Download]:
        """GET a large body into a temporary file, which is deleted when the block ends.

        Raises Unavailable as `get` does, Rejected for a body over the limits.
        """
        with tempfile.TemporaryFile(dir=self._downloads) as file:
            call = Call("GET", path, params, operation=operation)
            http_status, _ = self._get(call, self._download_into(file))
            file.flush()
            with mapped(file) as content:
                yield Download(http_status, content)

    def _get(self, call: Call, into: Sink) -> tuple[int, datetime | None]:
        what = f"{call} at {self._vendor}"
        try:
            answer = self._send(call, into)
        except Redirected as exc:
            raise self._wrong_address(what, exc) from None
        except TooLarge as exc:
            raise Rejected(f"{what}: {exc}") from None
        except (requests.RequestException, HTTPError, zlib.error, OSError) as exc:
            raise Unavailable(f"{what}: {describe_failure(exc, self._base_url)}") from None
        if isinstance(answer, _ErrorStatus):
            raise Unavailable(
                f"{what}: HTTP {answer.http_status}",
                http_status=answer.http_status,
                retry_after=answer.retry_after,
            )
        return answer

    def post(
        self,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        operation: Operation = Operation.OTHER,
    ) -> Answer:
        """POST without a body.

        Raises Unavailable if it certainly did nothing (no connection, 429), Unanswered if it is
        unknown whether it did (the response was lost, is over the limits, or is from 500 up).
        """
        return self._command(Call("POST", path, params, operation=operation))

    def submit(self, path: str, json: bytes, *, read_seconds: float) -> Answer:
        """POST a JSON body, once, and wait `read_seconds` for the answer, of any status but 429.

        One from 500 up is an answer too: its text is all that there is to tell a person. Raises
        Unavailable and Unanswered as `command` does.
        """
        call = Call("POST", path, json=json, read_seconds=read_seconds, answers_below=600)
        return self._command(replace(call, operation=Operation.MANAGE))

    def _command(self, call: Call) -> Answer:
        what = f"{call} at {self._vendor}"
        body = io.BytesIO()
        try:
            answer = self._send(call, self._answer_into(body))
        except Redirected as exc:
            raise self._wrong_address(what, exc) from None
        except (requests.RequestException, HTTPError, zlib.error, OSError) as exc:
            if never_connected(exc):
                raise Unavailable(f"{what}: {describe_failure(exc, self._base_url)}") from None
            raise Unanswered(f"{what}: {describe_failure(exc, self._base_url)}") from None
        if isinstance(answer, _ErrorStatus):
            message = f"{what}: HTTP {answer.http_status}"
            if answer.http_status == TOO_MANY_REQUESTS:
                raise Unavailable(
                    message, http_status=answer.http_status, retry_after=answer.retry_after
                )
            raise Unanswered(message, http_status=answer.http_status)
        http_status, vendor_now = answer
        return Answer(http_status, body.getvalue(), vendor_now)

    def _wrong_address(self, what: str, redirected: Redirected) -> Rejected:
        return Rejected(
            f"{what}: redirected to {redirected.host}, where relay does not send its token; "
            f"is {self._setting} right?"
        )

    def _send(self, call: Call, into: Sink) -> "tuple[int, datetime | None] | _ErrorStatus":
        if (pause := self._pause_left()) > 0:
            return _ErrorStatus(TOO_MANY_REQUESTS, pause)
        began = self._stopwatch()
        status: int | None = None  # until the answer is read
        try:
            with self._request(call) as response:
                answer = self._read(call, response, into)
                status = response.status_code
                return answer
        except Redirected as exc:
            status = exc.http_status
            raise
        finally:
            seconds = self._stopwatch() - began
            self._observer.sent(call.operation, code_of(status), seconds)

    def _request(self, call: Call) -> requests.Response:
        return self._session.request(
            call.method,
            self._base_url + call.path,
            params=call.params,
            data=call.json,
            headers=call.headers,
            timeout=(CONNECT_SECONDS, call.read_seconds or self._read_seconds),
            # A redirect would send the token elsewhere, or turn a POST into a GET.
            allow_redirects=False,
            stream=True,
        )

    def _read(
        self, call: Call, response: requests.Response, into: Sink
    ) -> "tuple[int, datetime | None] | _ErrorStatus":
        status = response.status_code
        if status == TOO_MANY_REQUESTS or status >= call.answers_below:
            wait = seconds_to_wait(response.headers)
            if status == TOO_MANY_REQUESTS:
                self._pause(max(wait or 0.0, self._pause_left()))
            return _ErrorStatus(status, wait)
        if 300 <= status < 400:  # noqa: PLR2004
            raise Redirected(status, host_of(response.headers.get("Location")))
        read_body(response, into)
        return status, http_date(response.headers.get("Date"))

    def _pause(self, seconds: float) -> None:
        self._paused_until = self._stopwatch() + seconds
        self._observer.paused(seconds)

    def _pause_left(self) -> float:
        return 0.0 if self._paused_until is None else self._paused_until - self._stopwatch()

    def _answer_into(self, file: BinaryIO) -> Sink:
        return Sink(file, self._limits.answer, self._limits.answer_seconds, self._limits.compressed)

    def _download_into(self, file: BinaryIO) -> Sink:
        return Sink(
            file, self._limits.download, self._limits.download_seconds, self._limits.compressed
        )


@dataclass(frozen=True, slots=True)
class _ErrorStatus:
    http_status: int
    retry_after: float | None
