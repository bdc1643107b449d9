"""A sender that keeps what it is given, and fails as a test tells it."""

import threading


class ChannelRecorder:
    """Takes the messages of all channels."""

    def __init__(self):
        self.sent = []  # (channel name, message, time)
        self.tries = 0
        self._failures = []
        self._lock = threading.Lock()

    def fail_next(self, *errors):
        """Raise these for the next messages."""
        self._failures.extend(errors)

    def send(self, channel, message, *, at):
        with self._lock:
            self.tries += 1
            if self._failures:
                raise self._failures.pop(0)
            self.sent.append((channel.name, message, at))

    @property
    def messages(self):
        return [message for _, message, _ in self.sent]

    @property
    def titles(self):
        return [message.title for message in self.messages]

    @property
    def told(self):
        """What was said of which alert: (says, event, sync_id), in the order of the messages."""
        return [
            (str(message.says), str(line.event), line.sync_id)
            for message in self.messages
            for line in message.alerts
        ]
