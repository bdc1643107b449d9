"""The output of log lines. A line that cannot be written is counted as lost; it raises nothing.

stdout can be a pipe without a reader, a closed terminal or a file on a full disk. None of these
may decide whether a delivery is acknowledged or a sync run is recorded.
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

# How long a line waits for a stalled reader. The lines after it do not wait until it reads again.
WRITE_TIMEOUT = 1.0  # seconds


@dataclass(frozen=True, slots=True)
class LostLines:
    """The lines of this process that could not be written; `last_at` is None while there are none.

    `problem` is the cause of the last one.
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
        """The lost lines so far."""
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
        """Nothing to do: `write` does not buffer."""

    def _write(self, line: bytes) -> None:
        if self._file_descriptor is None:
            self._stream.write(line)
            self._stream.flush()
            return
        # Bypasses Python's buffer, which would keep a failed line and raise again for the next one.
        rest = b"\n" + line if self._is_cut else line
        deadline = time.monotonic() + WRITE_TIMEOUT
        while rest:
            self._wait_until_writable(self._file_descriptor, deadline)
            try:
                written = os.write(self._file_descriptor, rest[: self._most])
            except BlockingIOError:  # another process has filled the pipe
                continue
            rest = rest[written:]
            self._is_cut = bool(rest)

    def _wait_until_writable(self, file_descriptor: int, deadline: float) -> None:
        """Raise TimeoutError if a write would block: the pipe is full and has no active reader."""
        poll = select.poll()
        poll.register(file_descriptor, select.POLLOUT)
        left = 0.0 if self._is_stalled else max(deadline - time.monotonic(), 0.0)
        is_ready = poll.poll(left * 1000)
        self._is_stalled = not is_ready
        if not is_ready:
            raise TimeoutError("its reader has stalled")


def _file_descriptor(stream: TextIO) -> int | None:
    """The descriptor to write to; None for a stream in memory.

    For a pipe, a new non-blocking one: processes that share the pipe keep their blocking mode.
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
    """The largest write in bytes that does not block; None for no limit.

    A pipe that polls as writable has room for PIPE_BUF bytes, and writes them atomically.
    """
    if file_descriptor is None or not os.get_blocking(file_descriptor):
        return None
    is_file = stat.S_ISREG(os.fstat(file_descriptor).st_mode)
    return None if is_file else select.PIPE_BUF
