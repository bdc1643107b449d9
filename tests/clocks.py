"""The time of day in tests: given, not slept."""

from datetime import timedelta


class Clock:
    """A time of day that stands still until a test ticks it."""

    def __init__(self, now):
        self.now = now
        self.ticked = 0.0

    def __call__(self):
        return self.now

    def stopwatch(self):
        """What goes on although the clock is set."""
        return self.ticked

    def tick(self, seconds):
        self.now += timedelta(seconds=seconds)
        self.ticked += seconds

    def set_back(self, seconds):
        """As an administrator does, or a time server after a wrong start."""
        self.now -= timedelta(seconds=seconds)
