"""Parses and formats durations, URLs, times and vendors' texts. No I/O here."""

import ipaddress
import re
from datetime import UTC, datetime, time, timedelta, tzinfo
from urllib.parse import SplitResult, urlsplit

_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"([0-9]{1,9})([smhd]?)")
# What follows a vendor's base URL: its API, and its pages as a browser shows their addresses.
_API_OR_PAGE = re.compile(
    r"/(?:api|v[0-9]+|accounts|dashboard|deploy|develop|settings|workspaces)(?:/|$)", re.IGNORECASE
)
_CLOCK = re.compile(r"[0-9]{2}:[0-9]{2}(:[0-9]{2})?")
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?", re.IGNORECASE)
LONGEST_DURATION = 365 * 86400  # seconds
LARGEST_ID = 2**63 - 1  # what PostgreSQL's bigint holds
LONGEST_MESSAGE = 300  # characters of a vendor's message in a log line

# Line ends and the like, which str.split treats as spaces.
_SPACING = re.compile(r"[\t-\r\x1c-\x1f\x85\u2028\u2029]")
# PostgreSQL stores no NUL, and UTF-8 has no lone surrogates. Other control characters, and marks of
# writing direction, can make a line look like another one.
_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def read_duration(text: str) -> int:
    """Seconds of `15`, `15s`, `10m`, `6h` or `7d`. Raises ValueError outside 1 s to 365 days."""
    match = _DURATION.fullmatch(text.strip())
    seconds = int(match[1]) * _SECONDS[match[2]] if match else 0
    if seconds < 1:
        raise ValueError(
            f"expected a duration of at least one second, like 15s, 10m, 6h or 7d, got {text!r}"
        )
    if seconds > LONGEST_DURATION:
        raise ValueError(f"expected a duration of at most 365d, got {text!r}")
    return seconds


def read_id(text: str) -> int:
    """An id, written in digits. Raises ValueError outside 1 to LARGEST_ID."""
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(LARGEST_ID))
    if not is_number or not 1 <= int(text) <= LARGEST_ID:
        raise ValueError(f"expected an id, a number, got {text[:20]!r}")
    return int(text)


def write_duration(seconds: int) -> str:
    """The shortest form of a duration: `10m` for 600."""
    for unit in ("d", "h", "m"):
        if seconds and seconds % _SECONDS[unit] == 0:
            return f"{seconds // _SECONDS[unit]}{unit}"
    return f"{seconds}s"


def rounded_duration(seconds: float) -> str:
    """A duration for people, in one unit: `3 h` for 3 hours and 20 minutes; 0 s for none."""
    whole = max(round(seconds), 0)
    for name, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if whole >= 2 * length:
            return f"{whole // length} {name}"
    return f"{whole} s"


def read_vendor_url(text: str, *, example: str) -> str:
    """A vendor's base URL without a trailing slash; `example` is for error messages.

    Raises ValueError, which never repeats the URL: it may contain a password.
    """
    url = _read_https(text, example, because="a token is sent to it")
    _refuse_more_than_a_path(url)
    if behind := _API_OR_PAGE.search(url.path):
        base = f"{url.scheme}://{url.netloc}{url.path[: behind.start()]}"
        raise ValueError(f"must end with its host: relay itself adds the API's path; write {base}")
    return url.geturl().rstrip("/")


def read_page_url(text: str, *, example: str) -> str:
    """Where people reach something, without a trailing slash; `example` is for error messages.

    Raises ValueError, which never repeats the URL.
    """
    url = _read_https(text, example, because="people sign in there")
    _refuse_more_than_a_path(url)
    return url.geturl().rstrip("/")


def read_message_url(text: str, *, example: str) -> str:
    """A URL that something is sent to, with any path and query: often these are what is secret.

    Raises ValueError, which never repeats the URL.
    """
    url = _read_https(text, example, because="the URL itself is a secret")
    if not text.isascii():
        raise ValueError("must be ASCII: write other characters percent-encoded")
    if url.fragment:
        raise ValueError("must not contain #")
    return url.geturl()


def _read_https(text: str, example: str, *, because: str) -> SplitResult:
    """An https URL, or http on this machine, without user and password. Raises ValueError."""
    try:
        url = urlsplit(text.strip())
        host, _port = url.hostname, url.port
    except ValueError:
        raise ValueError(f"expected an https URL, like {example}") from None
    if url.username is not None or url.password is not None:
        raise ValueError("must not contain a user or password: a token goes into its own setting")
    if url.scheme not in ("http", "https") or not host:
        raise ValueError(f"expected an https URL, like {example}")
    if url.scheme == "http" and not is_loopback(host):
        raise ValueError(f"must be https: {because}")
    if re.search(r"[\s\\]", url.geturl()):
        raise ValueError("must not contain a blank or a backslash")
    if ".." in url.path.split("/"):
        raise ValueError("must not contain `..`")
    return url


def _refuse_more_than_a_path(url: SplitResult) -> None:
    if url.query or url.fragment:
        raise ValueError("must end with its host or path, without ? or #")


def read_hosts(text: str) -> frozenset[str]:
    """Comma-separated host names, in lower case.

    Raises ValueError, which never repeats the text: it may be a URL with a password.
    """
    hosts = [host.strip() for host in text.split(",")]
    if not all(map(_HOST.fullmatch, hosts)):
        raise ValueError(
            "expected comma-separated host names, like census.example.com,"
            " without https://, port or path"
        )
    return frozenset(host.lower() for host in hosts)


def host_of(url: str) -> str:
    """The host of a URL from `read_vendor_url`, in lower case."""
    return urlsplit(url).hostname or ""


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def printable(text: str) -> str:
    """Return the text in a form that can be stored, logged and printed.

    Line ends and tabs become spaces. Other control characters, lone surrogates and marks of writing
    direction become escape sequences, so that two names that differ still do. All else is kept.
    """
    if text.isprintable():
        return text
    return _UNPRINTABLE.sub(_escaped, _SPACING.sub(" ", text))


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()


def short_message(text: str) -> str:
    """Return a vendor's message on one line, printable, of at most LONGEST_MESSAGE characters."""
    return " ".join(printable(text).split())[:LONGEST_MESSAGE]


def describe_error(exc: BaseException) -> str:
    """An exception's message, shortened; its type's name if the message is empty."""
    return short_message(str(exc)) or type(exc).__name__


def read_local_time(text: str, now: datetime, zone: tzinfo | None = None) -> datetime:
    """A time that a person writes, with its zone, or this one; `18:00` is the next one.

    The zone is None for this machine's. Raises ValueError, also for more than a year ahead.
    """
    written = text.strip()
    try:
        at = _next(time.fromisoformat(written), now, zone) if _CLOCK.fullmatch(written) else None
        at = at or datetime.fromisoformat(written)
        at = (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(zone)
    except (ValueError, OverflowError):
        raise ValueError(
            f"expected a time, like 18:00, 2026-11-28T06:00 or 2026-11-28T06:00Z, got {text!r}"
        ) from None
    if at - now > timedelta(seconds=LONGEST_DURATION):
        raise ValueError(f"expected a time at most 365 days ahead, got {text!r}")
    return at


def _next(at: time, now: datetime, zone: tzinfo | None) -> datetime:
    today = datetime.combine(now.astimezone(zone).date(), at, tzinfo=zone)
    return today if today.astimezone() > now else today + timedelta(days=1)


def read_time(text: str | None) -> datetime | None:
    """A vendor's ISO 8601 time, in UTC if it has no zone; None if it is invalid."""
    try:
        at = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return at.replace(tzinfo=UTC) if at and at.tzinfo is None else at
