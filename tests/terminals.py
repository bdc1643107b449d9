"""A real terminal of a given size for a command in a process of its own."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A command whose stdout and stderr are one terminal."""

    def __init__(self, *words, columns=200, rows=60, **environment):
        leader, follower = pty.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        # pytest sets the size that its own output has.
        unwanted = ("NO_COLOR", "LINES", "COLUMNS")
        inherited = {name: value for name, value in os.environ.items() if name not in unwanted}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "relay", *words],
            stdin=subprocess.DEVNULL,
            stdout=follower,
            stderr=follower,
            env=inherited | environment,
            start_new_session=True,
        )
        os.close(follower)
        self._output = b""
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, args=(leader,))
        self._reader.start()

    @property
    def shown(self):
        """All that was written so far, escape sequences too."""
        return self._output.decode(errors="replace").replace("\r\n", "\n")

    @property
    def text(self):
        return ESCAPES.sub("", self.shown)

    def wait_for(self, condition, seconds=30):
        """Wait until `condition(self)` holds."""
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self), seconds), self.shown

    def interrupt(self):
        self._process.send_signal(signal.SIGINT)

    def end(self):
        """The exit status, once the command has ended."""
        try:
            status = self._process.wait(30)
        finally:
            self._process.kill()
        self._reader.join()
        return status

    def _read(self, leader):
        while True:
            try:
                part = os.read(leader, 65536)
            except OSError:  # Linux: the last writer has closed it
                part = b""
            with self._changed:
                self._output += part
                self._changed.notify_all()
            if not part:
                os.close(leader)
                return
