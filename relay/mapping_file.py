"""The mapping file on disk: loaded, reloaded when it changes, with the last valid one kept."""

import threading
from collections.abc import Collection, Iterable
from pathlib import Path

from relay.decision.mapping import Sync, SyncMapping
from relay.decision.mapping_reader import read_mapping
from relay.errors import BadMapping, Problem
from relay.logs import get_logger
from relay.workspaces import DEFAULT_WORKSPACE, SyncKey, Workspace, display_id

log = get_logger()

Stamp = tuple[int, int, int]


def load(path: Path, census_hosts: Collection[str]) -> SyncMapping:
    """Read the mapping file of the settings. Raises BadMapping, also if the file is missing.

    `census_hosts` are the hosts that its workspaces may use.
    """
    return read_mapping(_content(path), file=str(path), census_hosts=census_hosts)


def load_file(path: Path, census_hosts: Collection[str]) -> SyncMapping:
    """Read a file given on the command line, as `load` does."""
    return read_mapping(_content(path, hint=""), file=str(path), census_hosts=census_hosts)


def stamp_of(path: Path) -> Stamp | None:
    """A value that changes whenever the file does; None if there is no file.

    A file replaced by rename, or behind a changed symlink, has another inode even if its time and
    size are the same.
    """
    try:
        seen = path.stat()
    except OSError:
        return None
    return (seen.st_ino, seen.st_mtime_ns, seen.st_size)


class MappingFile:
    """The current mapping. Thread-safe."""

    def __init__(self, path: Path, census_hosts: Collection[str]) -> None:
        """Raise BadMapping: the service does not start with an invalid mapping."""
        self._path = path
        self._census_hosts = census_hosts
        self._lock = threading.Lock()
        self._stamp = stamp_of(path)
        # The file's current content, valid or not; None if it cannot be read.
        self._content: bytes | None = _content(path)
        self._mapping = self._read(self._content)
        self._problems: tuple[str, ...] = ()
        self._log_difference(None)

    @property
    def current(self) -> SyncMapping:
        """The last valid mapping."""
        with self._lock:
            return self._mapping

    @property
    def problems(self) -> tuple[str, ...]:
        """Why the file as it is now was refused; none if it is the current mapping."""
        with self._lock:
            return self._problems

    def refresh(self) -> None:
        """Load a changed file; if it is invalid, log an error once and keep the last valid mapping.

        An unexpected error while reading is handled the same way: decisions continue with the last
        valid mapping, until the file changes again.
        """
        with self._lock:
            try:
                self._reload_if_changed()
            except BadMapping as exc:
                self._log_refusal([str(problem) for problem in exc.problems])
            except Exception as exc:  # noqa: BLE001 - it is logged with its traceback
                problem = f"{self._path}: relay failed to read it: {type(exc).__name__}"
                self._log_refusal([problem], exc_info=exc)

    def _log_refusal(self, problems: list[str], exc_info: Exception | None = None) -> None:
        self._problems = tuple(problems)
        log.error(
            "mapping.refused",
            file=str(self._path),
            problems=problems,
            kept=self._mapping.digest,
            exc_info=exc_info,
        )

    def _reload_if_changed(self) -> None:
        stamp = stamp_of(self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        known, self._content = self._content, None
        self._content = _content(self._path)
        if self._content != known:
            before = self._mapping
            self._mapping = self._read(self._content)
            self._problems = ()
            self._log_difference(before)

    def _read(self, content: bytes) -> SyncMapping:
        return read_mapping(content, file=str(self._path), census_hosts=self._census_hosts)

    def _log_difference(self, before: SyncMapping | None) -> None:
        log.info(
            "mapping.loaded",
            file=str(self._path),
            digest=self._mapping.digest,
            syncs=len(self._mapping.syncs),
            **_difference(before, self._mapping),
        )


def _content(path: Path, hint: str = "; is RELAY_MAPPING right?") -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        problem = Problem(str(path), f"cannot be read: {exc.strerror}{hint}")
        raise BadMapping((problem,)) from None


def _difference(before: SyncMapping | None, after: SyncMapping) -> dict[str, list[int | str]]:
    """The added, removed and changed syncs, for the log; empty at startup."""
    if before is None:
        return {}
    old, new = _by_key(before), _by_key(after)
    return {
        "added": _sorted_ids(new.keys() - old.keys()),
        "removed": _sorted_ids(old.keys() - new.keys()),
        "changed": _sorted_ids(key for key in old.keys() & new.keys() if old[key] != new[key]),
    }


def _by_key(mapping: SyncMapping) -> dict[SyncKey, tuple[Sync, Workspace | None]]:
    """Each sync with its workspace: a changed workspace URL changes its syncs too."""
    return {sync.key: (sync, mapping.workspaces.get(sync.workspace)) for sync in mapping.syncs}


def _sorted_ids(keys: Iterable[SyncKey]) -> list[int | str]:
    """Display ids, `5123` and `emea/5123`, the default workspace first."""
    in_order = sorted(keys, key=lambda key: (key[0] != DEFAULT_WORKSPACE, *key))
    return [display_id(workspace, sync_id) for workspace, sync_id in in_order]
