"""The time of day, for those at the edges; everything else is given it.

Two times of day are never subtracted to know how long something took: a clock may be set.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
Stopwatch = Callable[[], float]  # seconds since some moment; nobody can set it

stopwatch: Stopwatch = time.monotonic


def utc_now() -> datetime:
    """The time of day, with its zone."""
    return datetime.now(UTC)
