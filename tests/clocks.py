"""The time of day in tests: given, not slept."""

from datetime import timedelta


class Clock:
    """A time of day that stands still until a test ticks it."""

    def __init__(self, now):
        self.now = now

    def __call__(self):
        return self.now

    def tick(self, seconds):
        self.now += timedelta(seconds=seconds)
