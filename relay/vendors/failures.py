"""What went wrong on the wire, in words: requests' own text repeats the URL."""

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

from relay.vendors.body import BeyondLimits

_CAUSES: tuple[tuple[type[BaseException], str], ...] = (
    (NameResolutionError, "its name cannot be resolved"),
    (http.client.RemoteDisconnected, "it was closed without an answer"),
    (IncompleteRead, "the answer ended too early"),
    (http.client.IncompleteRead, "the answer ended too early"),
    (http.client.HTTPException, "the answer is not HTTP"),
    (requests.exceptions.InvalidURL, "it is no valid address"),
    (zlib.error, "the compressed answer cannot be read"),
)


def never_connected(exc: Exception) -> bool:
    """Whether nothing can have been sent."""
    if isinstance(exc, requests.ConnectTimeout):
        return True
    reason = getattr(exc.args[0], "reason", None) if exc.args else None
    return isinstance(reason, NewConnectionError)


def in_words(exc: Exception, url: str) -> str:
    """What happened at the host of a URL, and why, without the rest of the URL."""
    host = _host(url)
    match exc:
        case BeyondLimits():
            return str(exc)
        case requests.ConnectTimeout():
            return f"no connection to {host} in time"
        case requests.Timeout():
            return f"no answer from {host} in time"
        case requests.exceptions.SSLError():
            return f"no TLS connection to {host} that can be trusted"
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
        if type(link) is HTTPError:  # relay's own, of a body
            return f": {link}"
    return ""


def _chain(exc: BaseException | None) -> Iterator[BaseException]:
    """The exception and all that it wraps, as requests, urllib3 and Python do."""
    while exc is not None:
        yield exc
        wrapped = (*exc.args[:2], getattr(exc, "reason", None), exc.__cause__, exc.__context__)
        exc = next((link for link in wrapped if isinstance(link, BaseException)), None)
