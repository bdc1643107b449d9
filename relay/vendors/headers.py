"""Times in the headers of a vendor's answer."""

import email.utils
from collections.abc import Mapping
from datetime import UTC, datetime

from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from relay.clock import utc_now

LONGEST_WAIT = 3600  # seconds that a vendor may ask for


def seconds_to_wait(headers: Mapping[str, str]) -> float | None:
    """Retry-After is a number of seconds or an HTTP date; anything else asks for nothing.

    A date is one of the vendor's clock, which the Date header shows: ours may be another.
    """
    retry_after = headers.get("Retry-After")
    if retry_after is None:
        return None
    if (until := http_date(retry_after)) is not None:
        wait = until - (http_date(headers.get("Date")) or utc_now())
        return min(max(wait.total_seconds(), 0.0), LONGEST_WAIT)
    try:
        return Retry(retry_after_max=LONGEST_WAIT).parse_retry_after(retry_after)
    except (InvalidHeader, ValueError, OverflowError):
        return None


def http_date(text: str | None) -> datetime | None:
    """An HTTP date, in UTC where it names no zone; None for what is none."""
    try:
        at = email.utils.parsedate_to_datetime(text) if text else None
    except (ValueError, OverflowError):
        return None
    return at.replace(tzinfo=UTC) if at and at.tzinfo is None else at
