"""The current time, for entry points only; all other code gets it as an argument.

Durations are measured with `stopwatch`: the system clock may be set in between.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
Stopwatch = Callable[[], float]  # seconds on a monotonic clock

stopwatch: Stopwatch = time.monotonic


def utc_now() -> datetime:
    """The current time, timezone-aware."""
    return datetime.now(UTC)
