"""The time in tests, which is set instead of slept."""

from datetime import timedelta


class Clock:
    """A clock that stands still until a test ticks it."""

    def __init__(self, now):
        self.now = now
        self.ticked = 0.0

    def __call__(self):
        return self.now

    def stopwatch(self):
        """A monotonic clock, not affected by `set_back`."""
        return self.ticked

    def tick(self, seconds):
        self.now += timedelta(seconds=seconds)
        self.ticked += seconds

    def set_back(self, seconds):
        """Set the clock back, as an administrator or a time server does."""
        self.now -= timedelta(seconds=seconds)
