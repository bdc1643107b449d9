"""Where log lines go. A line that cannot be written is counted, and never an error of the writer.

stdout can be a pipe that nobody reads any more, a terminal that is gone or a file on a full disk.
None of these may decide whether a delivery is acknowledged or a sync run is recorded.
"""

import io
import os
import select
import stat
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from typing import TextIO

from relay.clock import utc_now

# How long a line waits for a reader that has stalled. The next ones do not wait until it reads.
WRITE_TIMEOUT = 1.0  # seconds


@dataclass(frozen=True, slots=True)
class LostLines:
    """The lines of this process that could not be written; `last_at` is None while there are none.

    `problem` is the reason for the last one.
    """

    count: int = 0
    last_at: datetime | None = None
    problem: str = ""


class Losses:
    """Counts lost lines. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._so_far = LostLines()

    @property
    def so_far(self) -> LostLines:
        """What was lost until now."""
        with self._lock:
            return self._so_far

    def add(self, problem: str) -> None:
        """Count one more line."""
        with self._lock:
            self._so_far = LostLines(self._so_far.count + 1, utc_now(), problem)


class LogOutput:
    """A file for log lines, for structlog and `logging`. Safe to use from several threads."""

    def __init__(self, stream: TextIO, losses: Losses) -> None:
        self._losses = losses
        self._stream = stream.buffer
        self._file_descriptor = _file_descriptor(stream)
        self._lock = threading.Lock()
        self._most = _max_write_size(self._file_descriptor)
        self._is_stalled = False
        self._is_cut = False  # a line was written in part: the next one starts a new line

    def write(self, line: bytes) -> int:
        """Write a whole line, or count it as lost."""
        with self._lock:
            try:
                self._write(line)
            except (OSError, ValueError) as exc:  # ValueError: the stream was closed
                self._losses.add((isinstance(exc, OSError) and exc.strerror) or str(exc))
        return len(line)

    def flush(self) -> None:
        """Nothing to do: `write` keeps nothing back."""

    def _write(self, line: bytes) -> None:
        if self._file_descriptor is None:
            self._stream.write(line)
            self._stream.flush()
            return
        # Past Python's own buffer, which would keep a lost line and raise again for the next one.
        rest = b"\n" + line if self._is_cut else line
        deadline = time.monotonic() + WRITE_TIMEOUT
        while rest:
            self._wait_until_writable(self._file_descriptor, deadline)
            try:
                written = os.write(self._file_descriptor, rest[: self._most])
            except BlockingIOError:  # another process was faster to fill the pipe
                continue
            rest = rest[written:]
            self._is_cut = bool(rest)

    def _wait_until_writable(self, file_descriptor: int, deadline: float) -> None:
        """Raise TimeoutError where a write would block: a pipe is full that nobody reads."""
        poll = select.poll()
        poll.register(file_descriptor, select.POLLOUT)
        left = 0.0 if self._is_stalled else max(deadline - time.monotonic(), 0.0)
        is_ready = poll.poll(left * 1000)
        self._is_stalled = not is_ready
        if not is_ready:
            raise TimeoutError("nobody reads it")


def _file_descriptor(stream: TextIO) -> int | None:
    """Where to write; None for a stream in memory.

    Of a pipe it is one of our own that does not block: whoever shares the pipe keeps theirs.
    """
    try:
        file_descriptor = stream.fileno()
    except (OSError, io.UnsupportedOperation):
        return None
    if not stat.S_ISFIFO(os.fstat(file_descriptor).st_mode):
        return file_descriptor
    try:
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC
        return os.open(f"/proc/self/fd/{file_descriptor}", flags)
    except OSError:  # not Linux, or the pipe is another user's
        return file_descriptor


def _max_write_size(file_descriptor: int | None) -> int | None:
    """How many bytes a write may have that must not block; None for any number.

    A pipe that is ready has room for PIPE_BUF bytes. What is written at once stays together.
    """
    if file_descriptor is None or not os.get_blocking(file_descriptor):
        return None
    is_file = stat.S_ISREG(os.fstat(file_descriptor).st_mode)
    return None if is_file else select.PIPE_BUF
