"""What relay's own server writes to its log: why it does not start, and how long that gets."""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LARGEST = 8 * 2**20  # bytes
KEPT = 2**20  # of them, when it has grown larger: the newest
_FATAL = re.compile(r"(?:FATAL|PANIC): +(.*)")
_MORE = re.compile(r"(?:DETAIL|HINT): +(.*)")
_IN_A_FILE = re.compile(r"LOG: +(.*(?: in file | of configuration file ).*)")


class ServerLog:
    """The file that the server's messages are appended to."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def size(self) -> int:
        """In bytes; 0 where there is none."""
        try:
            return self.path.lstat().st_size
        except OSError:
            return 0

    def cut_if_large(self) -> None:
        """Keep the newest part only. The server goes on appending to the same file.

        What it writes in that very moment may be missing.
        """
        if self.size() <= LARGEST:
            return
        with suppress(OSError), self._opened(os.O_RDWR | os.O_APPEND) as file:
            newest = os.pread(file, KEPT, os.fstat(file).st_size - KEPT)
            os.ftruncate(file, 0)
            os.write(file, newest.partition(b"\n")[2])

    def last_failure(self, since: int) -> str | None:
        """The last FATAL message behind so many bytes; None where there is none."""
        return failure_in(self._read(since))

    def _read(self, since: int) -> str:
        try:
            with self._opened(os.O_RDONLY) as file:
                return os.pread(file, KEPT, since).decode(errors="replace")
        except OSError:
            return ""

    @contextmanager
    def _opened(self, flags: int) -> Iterator[int]:
        # As root we read and cut what another user may have put here: no link, nor a second name.
        file = os.open(self.path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            found = os.fstat(file)
            if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
                raise OSError(f"{self.path} is no file of its own")
            yield file
        finally:
            os.close(file)


def failure_in(text: str) -> str | None:
    """The last FATAL message in what PostgreSQL wrote, with its detail; None where there is none.

    What is wrong in a configuration file stands in the line before.
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
