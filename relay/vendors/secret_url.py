"""Requests to URLs that are secrets: messages and the heartbeat. No error repeats the URL."""

import io
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

import requests
from urllib3.exceptions import HTTPError

from relay.errors import Rejected, Unavailable
from relay.logs import add_secret
from relay.secret import Secret, parts_of
from relay.vendors.body import Sink, TooLarge, read_body
from relay.vendors.failures import describe_failure
from relay.vendors.headers import seconds_to_wait
from relay.vendors.session import Session

CONNECT_SECONDS = 3.05
LARGEST_ANSWER = 4096  # bytes that are read; nothing behind them matters

# Statuses below 500 that are no refusal.
_AGAIN = {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_EARLY,
    HTTPStatus.TOO_MANY_REQUESTS,
}


@dataclass(frozen=True, slots=True)
class Reply:
    """A response; `beginning` is None if its body could not be read. `retry_after` in seconds."""

    http_status: int
    retry_after: float | None
    beginning: bytes | None = field(repr=False)

    @property
    def ok(self) -> bool:
        return 200 <= self.http_status < 300  # noqa: PLR2004


@dataclass(frozen=True, slots=True)
class Request:
    """A request to a secret URL; `what` names it in errors, `read_seconds` limits the answer."""

    method: str
    url: Secret
    what: str
    read_seconds: float
    body: bytes | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def send(self) -> Reply:
        """Send it. Raises Unavailable if there is no response: it may have arrived."""
        for part in parts_of(self.url):
            add_secret(part)
        try:
            return self._send()
        except (requests.RequestException, HTTPError, OSError) as exc:
            why = describe_failure(exc, self.url.reveal())
            raise Unavailable(f"{self.what}: {why}") from None

    def _send(self) -> Reply:
        with (
            Session() as session,
            session.request(
                self.method,
                self.url.reveal(),
                data=self.body,
                headers={"Accept-Encoding": "identity", "User-Agent": "relay", **self.headers},
                timeout=(CONNECT_SECONDS, self.read_seconds),
                allow_redirects=False,
                stream=True,
            ) as response,
        ):
            beginning = _beginning_of(response, self.read_seconds)
            return Reply(response.status_code, seconds_to_wait(response.headers), beginning)


def raise_for(reply: Reply, what: str, *, hint: str, reason: str | None = None) -> None:
    """Raise Unavailable for an answer after which it may be tried again, Rejected for a refusal.

    `hint` says what to do about a refusal; `reason` is the vendor's own, if it gave one.
    """
    if reply.ok:
        return
    status = reply.http_status
    said = f"{what}: HTTP {status}" + (f" ({reason})" if reason else "")
    if status in _AGAIN or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise Unavailable(said, http_status=status, retry_after=reply.retry_after)
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        said = f"{said}, a redirect, which relay does not follow"
    raise Rejected(f"{said}; {hint}", http_status=status)


def _beginning_of(response: requests.Response, seconds: float) -> bytes | None:
    """The first bytes of the body, also of one that is too large; None if it breaks off."""
    kept = io.BytesIO()
    sink = Sink(kept, LARGEST_ANSWER, seconds, LARGEST_ANSWER)
    try:
        read_body(response, sink)
    except TooLarge:
        return kept.getvalue()[:LARGEST_ANSWER]
    except (requests.RequestException, HTTPError, zlib.error, OSError):
        return None
    return kept.getvalue()
