"""The file whose age tells a probe, such as a container's, whether a worker is alive."""

import os
import stat
from pathlib import Path

from relay.errors import BadSettings, Problem

VARIABLE = "RELAY_WORKER_ALIVE_FILE"
MODE = 0o644
# No link is followed, and a pipe or a device does not block.
FLAGS = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class AliveFile:
    """The file of `RELAY_WORKER_ALIVE_FILE`; nothing is written if its path is None."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def touch(self) -> None:
        """Set the file's time to now; create it if it is absent.

        Raises BadSettings if that is not possible: a probe would then restart the worker again and
        again, and nothing would say why.
        """
        if self._path is not None:
            try:
                _touch(self._path)
            except OSError as exc:
                what = f"{self._path} cannot be written: {exc.strerror}"
                raise BadSettings((Problem(VARIABLE, what),)) from None


def _touch(path: Path) -> None:
    descriptor = os.open(path, FLAGS, MODE)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(0, "it is no regular file")
        os.utime(descriptor)
    finally:
        os.close(descriptor)
