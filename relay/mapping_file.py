"""The mapping file on its disk: read, looked at again, and the last good one kept."""

import threading
from pathlib import Path

from relay.errors import BadMapping, Problem
from relay.logs import get_logger
from relay.mapping import SyncMapping, read_mapping

log = get_logger()

_Stamp = tuple[int, int, int]


def load(path: Path) -> SyncMapping:
    """Read a mapping file. Raises BadMapping, also where there is no such file."""
    try:
        body = path.read_bytes()
    except OSError as exc:
        problem = Problem(str(path), f"cannot be read: {exc.strerror}; is RELAY_MAPPING right?")
        raise BadMapping((problem,)) from None
    return read_mapping(body, file=str(path))


class MappingFile:
    """The mapping in force. Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        """Raise BadMapping: a service does not start on a mapping it cannot use."""
        self._path = path
        self._lock = threading.Lock()
        self._stamp = self._look()
        self._mapping = load(path)
        self._is_refused = False  # what stands in the file now
        self._tell()

    @property
    def current(self) -> SyncMapping:
        """The last good mapping."""
        with self._lock:
            return self._mapping

    def refresh(self) -> None:
        """Take up a changed file; refuse a broken one loudly, once, and keep the last good one."""
        with self._lock:
            stamp = self._look()
            if stamp == self._stamp:
                return
            self._stamp = stamp
            try:
                mapping = load(self._path)
            except BadMapping as exc:
                log.error(
                    "mapping.refused",
                    file=str(self._path),
                    problems=[str(problem) for problem in exc.problems],
                    kept=self._mapping.digest,
                )
                self._is_refused = True
                return
            if mapping.digest != self._mapping.digest or self._is_refused:
                self._mapping, self._is_refused = mapping, False
                self._tell()

    def _look(self) -> _Stamp | None:
        # A file replaced by rename has another inode, whatever its time and size.
        try:
            seen = self._path.stat()
        except OSError:
            return None
        return (seen.st_ino, seen.st_mtime_ns, seen.st_size)

    def _tell(self) -> None:
        log.info(
            "mapping.loaded",
            file=str(self._path),
            digest=self._mapping.digest,
            syncs=len(self._mapping.syncs),
        )
