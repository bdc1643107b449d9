"""Messages for network failures: those of requests repeat the URL, which may hold secrets."""

import http.client
import zlib
from collections.abc import Iterator
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import (
    HTTPError,
    IncompleteRead,
    NameResolutionError,
    NewConnectionError,
)

from relay.notation import short_message
from relay.vendors.body import BeyondLimits

_CAUSES: tuple[tuple[type[BaseException], str], ...] = (
    (NameResolutionError, "host name cannot be resolved"),
    (http.client.RemoteDisconnected, "closed without a response"),
    (IncompleteRead, "the response ended too early"),
    (http.client.IncompleteRead, "the response ended too early"),
    (http.client.HTTPException, "the response is not HTTP"),
    (requests.exceptions.InvalidURL, "the address is not valid"),
    (zlib.error, "the compressed response cannot be read"),
)


def never_connected(exc: Exception) -> bool:
    """Whether it failed before anything was sent."""
    if isinstance(exc, requests.ConnectTimeout):
        return True
    reason = getattr(exc.args[0], "reason", None) if exc.args else None
    return isinstance(reason, NewConnectionError)


def describe_failure(exc: Exception, url: str) -> str:
    """What failed and why, with the URL's host but not the rest of the URL."""
    host = _host(url)
    match exc:
        case BeyondLimits():
            return str(exc)
        case requests.ConnectTimeout():
            return f"no connection to {host} in time"
        case requests.Timeout():
            return f"no response from {host} in time"
        case requests.exceptions.SSLError():
            return f"no trusted TLS connection to {host}"
        case _ if never_connected(exc):
            return f"no connection to {host}{_because(exc)}"
        case _:
            return f"the connection to {host} broke{_because(exc)}"


def _host(url: str) -> str:
    """The host, with its port; never a user or password."""
    return urlsplit(url).netloc.rpartition("@")[2]


def _because(exc: Exception) -> str:
    chain = list(_chain(exc))
    for type_, cause in _CAUSES:
        if any(isinstance(link, type_) for link in chain):
            return f": {cause}"
    for link in chain:
        if isinstance(link, OSError) and not isinstance(link, requests.RequestException):
            return f": {link.strerror}" if link.strerror else ""
        if type(link) is HTTPError:  # raised by relay.vendors.encodings and body
            return f": {link}"
    return ""


def _chain(exc: BaseException | None) -> Iterator[BaseException]:
    """The exception and all that it wraps, in the ways of requests, urllib3 and Python."""
    while exc is not None:
        yield exc
        wrapped = (*exc.args[:2], getattr(exc, "reason", None), exc.__cause__, exc.__context__)
        exc = next((link for link in wrapped if isinstance(link, BaseException)), None)


class Redirected(Exception):
    """A redirect; `host` is the only part of the address that a message may contain."""

    def __init__(self, http_status: int, host: str) -> None:
        super().__init__(host)
        self.http_status = http_status
        self.host = host


def host_of(location: str | None) -> str:
    """The host of a redirect, for a message; None if the response has no Location."""
    if location is None:
        return "an address that the response does not contain"
    try:
        return short_message(urlsplit(location).hostname or "another path")
    except ValueError:
        return "an unreadable address"
