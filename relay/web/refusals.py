"""Rate-limited log lines about refused deliveries; those over the limit are counted.

Any client can send unsigned requests, and logs cost disk space and money.
"""

import threading
import time
from collections import Counter

from relay.logs import get_logger

LINES = 20  # in one window
WINDOW = 60.0  # seconds

log = get_logger()


class RefusalLog:
    """The refused deliveries of one process. Thread-safe."""

    def __init__(self, *, window: float = WINDOW) -> None:
        """Allow LINES lines in each `window`, in seconds."""
        self._window = window
        self._lock = threading.Lock()  # for all below
        self._window_ends_at = 0.0
        self._lines = 0
        self._not_logged: Counter[str] = Counter()

    def refused(self, reason: str) -> None:
        """Log a refused delivery, or only count it if the limit is reached."""
        if self._may_log(reason):
            log.warning("delivery.refused", reason=reason)

    def wrong_path(self, *, expected: str) -> None:
        """The same for a delivery to the webhook's path with a wrong slash."""
        if self._may_log("wrong_path"):
            log.warning("delivery.refused", reason="wrong_path", expected=expected)

    def _may_log(self, reason: str) -> bool:
        with self._lock:
            now = time.monotonic()
            if now >= self._window_ends_at:
                self._window_ends_at, self._lines = now + self._window, 0
            if self._lines < LINES:
                self._lines += 1
                return True
            if not self._not_logged:
                self._log_the_count_in(self._window_ends_at - now)
            self._not_logged[reason] += 1
            return False

    def _log_the_count_in(self, seconds: float) -> None:
        timer = threading.Timer(seconds, self._log_the_count)
        timer.daemon = True
        timer.start()

    def _log_the_count(self) -> None:
        with self._lock:
            counted, self._not_logged = self._not_logged, Counter()
        log.warning("delivery.refusals_counted", count=counted.total(), reasons=dict(counted))
