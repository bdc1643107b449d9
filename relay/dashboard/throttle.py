"""Wrong tokens at login: after a few of them, nobody can log in for a minute."""

import threading
from collections import deque
from collections.abc import Callable

WRONG_TOKENS = 5
SECONDS = 60.0


class Throttle:
    """Counts the wrong tokens of one process; `timer` is in seconds on a monotonic clock."""

    def __init__(self, timer: Callable[[], float]) -> None:
        self._timer = timer
        self._wrong_at: deque[float] = deque(maxlen=WRONG_TOKENS)
        self._lock = threading.Lock()

    def wrong_token(self) -> None:
        """Count one."""
        with self._lock:
            self._wrong_at.append(self._timer())

    def wait(self) -> float | None:
        """For how many seconds nobody can log in; None if a login is allowed."""
        with self._lock:
            if len(self._wrong_at) < WRONG_TOKENS:
                return None
            first, last = self._wrong_at[0], self._wrong_at[-1]
            left = last + SECONDS - self._timer()
            return left if last - first <= SECONDS and left > 0 else None
