"""What went wrong on the wire, in words: requests' own text repeats the URL."""

import requests
from urllib3.exceptions import NewConnectionError

from relay.vendors.body import BeyondLimits


def never_connected(exc: Exception) -> bool:
    """Whether nothing can have been sent."""
    if isinstance(exc, requests.ConnectTimeout):
        return True
    reason = getattr(exc.args[0], "reason", None) if exc.args else None
    return isinstance(reason, NewConnectionError)


def in_words(exc: Exception) -> str:
    """What happened, without the URL."""
    match exc:
        case BeyondLimits():
            return str(exc)
        case requests.ConnectTimeout():
            return "no connection in time"
        case requests.Timeout():
            return "no answer in time"
        case requests.exceptions.SSLError():
            return "no TLS connection that can be trusted"
        case _ if never_connected(exc):
            return "no connection"
        case _:
            return f"the connection broke ({type(exc).__name__})"
