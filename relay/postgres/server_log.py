"""The log file of relay's own server: the cause of failed starts, and its size limit."""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LARGEST = 8 * 2**20  # bytes
KEPT = 2**20  # bytes; the newest part, when the file has grown larger
_FATAL = re.compile(r"(?:FATAL|PANIC): +(.*)")
_MORE = re.compile(r"(?:DETAIL|HINT): +(.*)")
_IN_A_FILE = re.compile(r"LOG: +(.*(?: in file | of configuration file ).*)")


class ServerLog:
    """The server's log file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def size(self) -> int:
        """In bytes; 0 if the file is missing."""
        try:
            return self.path.lstat().st_size
        except OSError:
            return 0

    def cut_if_large(self) -> None:
        """Keep the newest part only. The server keeps appending to the same file.

        What it writes at the same moment may be lost.
        """
        if self.size() <= LARGEST:
            return
        with suppress(OSError), self._opened(os.O_RDWR | os.O_APPEND) as file:
            newest = os.pread(file, KEPT, os.fstat(file).st_size - KEPT)
            os.ftruncate(file, 0)
            os.write(file, newest.partition(b"\n")[2])

    def last_failure(self, since: int) -> str | None:
        """The last FATAL message after this offset in bytes, or None."""
        return failure_in(self._read(since))

    def _read(self, since: int) -> str:
        try:
            with self._opened(os.O_RDONLY) as file:
                return os.pread(file, KEPT, since).decode(errors="replace")
        except OSError:
            return ""

    @contextmanager
    def _opened(self, flags: int) -> Iterator[int]:
        # As root we read and truncate a file of another user: refuse symbolic and hard links.
        file = os.open(self.path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            found = os.fstat(file)
            if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
                raise OSError(f"{self.path} is not a regular file with one name")
            yield file
        finally:
            os.close(file)


def failure_in(text: str) -> str | None:
    """The last FATAL message in PostgreSQL's output, with its detail, or None.

    For an error in a configuration file, the cause is in the line before.
    """
    lines = text.splitlines()
    fatal = [number for number, line in enumerate(lines) if _FATAL.search(line)]
    if not fatal:
        return None
    last = fatal[-1]
    parts = [
        *(_IN_A_FILE.search(line) for line in lines[max(last - 1, 0) : last]),
        _FATAL.search(lines[last]),
        *(_MORE.search(line) for line in lines[last + 1 : last + 3]),
    ]
    return "; ".join(part[1].rstrip(".") for part in parts if part)
