"""Which processes use relay's own server: each holds a shared lock on a file.

The kernel releases the lock when its process dies, even by a kill, so there is no list of users
that could become outdated.
"""

import fcntl
import os
from pathlib import Path
from weakref import WeakSet

from relay.errors import DatabaseUnavailable


class Membership:
    """A shared lock on an open file, held until `end` or the end of this process."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._pid = os.getpid()
        fcntl.flock(self._file, fcntl.LOCK_SH)
        _memberships.add(self)

    @property
    def is_ours(self) -> bool:
        """False in a forked child process, which is not a member."""
        return self._pid == os.getpid()

    def keep_over_exec(self) -> int:
        """Keep the lock over an `exec`; returns the file's descriptor."""
        os.set_inheritable(self._file, True)
        return self._file

    def is_last(self) -> bool:
        return locked(self._file, fcntl.LOCK_EX)

    def end(self) -> None:
        _memberships.discard(self)
        os.close(self._file)


_memberships: WeakSet[Membership] = WeakSet()


def _close_inherited() -> None:
    # A flock belongs to every process that inherited its descriptor: gunicorn's workers would keep
    # their master's lock after its death.
    for membership in list(_memberships):
        membership.end()


os.register_at_fork(after_in_child=_close_inherited)


def open_lock(path: Path) -> int:
    """A lock file's descriptor; the file is created if absent. Raises DatabaseUnavailable."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as exc:
        raise DatabaseUnavailable(
            f"{path} cannot be opened: {exc.strerror}; run relay as its owner, "
            "or set another RELAY_DATA_DIR"
        ) from exc


def locked(file: int, kind: int) -> bool:
    """Take a flock of this kind; False if another process holds a conflicting one."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
