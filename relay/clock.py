"""The time of day, for those at the edges; everything else is given it."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The time of day, with its zone."""
    return datetime.now(UTC)
