"""Who uses relay's own server: a shared lock on a file, held as long as its process lives.

The kernel lets go of it when its holder dies, however that comes, so there is no list of users
that a kill could leave wrong.
"""

import fcntl
import os
from pathlib import Path
from weakref import WeakSet

from relay.errors import DatabaseUnavailable


class Membership:
    """A shared lock, held as long as this process lives or until it ends."""

    def __init__(self, path: Path) -> None:
        self._file = open_lock(path)
        self._pid = os.getpid()
        fcntl.flock(self._file, fcntl.LOCK_SH)
        _memberships.add(self)

    @property
    def is_ours(self) -> bool:
        """False in a child, which has no part in it."""
        return self._pid == os.getpid()

    def is_last(self) -> bool:
        return locked(self._file, fcntl.LOCK_EX)

    def end(self) -> None:
        _memberships.discard(self)
        os.close(self._file)


_memberships: WeakSet[Membership] = WeakSet()


def _close_inherited() -> None:
    # A lock belongs to all who inherited its descriptor: gunicorn's workers would hold that of
    # their master after its death.
    for membership in list(_memberships):
        membership.end()


os.register_at_fork(after_in_child=_close_inherited)


def open_lock(path: Path) -> int:
    """A lock file's descriptor, the file made if absent. Raises DatabaseUnavailable."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as exc:
        raise DatabaseUnavailable(
            f"{path} cannot be opened: {exc.strerror}; run relay as the user it belongs to, "
            "or name another RELAY_DATA_DIR"
        ) from exc


def locked(file: int, kind: int) -> bool:
    """Take a flock of this kind; False where somebody else holds one in its way."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
