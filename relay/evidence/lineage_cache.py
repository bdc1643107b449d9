"""Lineages on disk: a manifest is a hundred times larger, and most runs share a project state."""

import contextlib
import hashlib
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from relay.dbt.artifacts import Metadata
from relay.dbt.decoding import gc_paused
from relay.dbt.invocations import Invocation
from relay.dbt.manifest import Lineage
from relay.dbt.nodes import SHAPE, Node
from relay.evidence.atomic_file import write_atomically
from relay.logs import get_logger

LONGEST_KEPT = timedelta(days=1)  # packages and environment variables change without a commit
MAX_BYTES = 256 * 2**20
SUFFIX = ".lineage"

log = get_logger()


@dataclass(frozen=True, slots=True)
class ProjectState:
    """The cache key: invocations with equal keys saw the same project."""

    dbt_account_id: int
    project_id: int | None
    environment_id: int | None
    dbt_job_id: int | None
    git_sha: str
    dbt_version: str
    target: str | None
    command: str | None  # its --vars and --target, too

    @classmethod
    def of(cls, invocation: Invocation) -> "ProjectState | None":
        """The key of an invocation; None if dbt reports too little to identify the project."""
        run = invocation.run
        metadata = invocation.run_results.metadata if invocation.run_results else Metadata()
        dbt_version = metadata.dbt_version
        if run.git_sha is None or dbt_version is None:
            return None
        return cls(
            run.dbt_account_id,
            run.project_id,
            run.environment_id,
            run.dbt_job_id,
            run.git_sha,
            dbt_version,
            run.target,
            invocation.step.command,
        )


class _Kept(msgspec.Struct):
    """A file's content: when it was fetched, the nodes, and the project's own package name."""

    fetched_at: datetime
    nodes: list[Node]
    project_name: str | None


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Kept)


class LineageCache:
    """A folder of lineages, created if absent; several workers may share it.

    Errors are not fatal: a lineage that is not cached is fetched. The last one stays in memory with
    its indexes: not thread-safe.
    """

    def __init__(self, folder: Path, *, most_bytes: int = MAX_BYTES) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._last: tuple[ProjectState, datetime, Lineage] | None = None

    def get(self, state: ProjectState, *, now: datetime) -> Lineage | None:
        """The lineage of this state; None if it is not cached, or older than a day."""
        if self._last is None or self._last[0] != state:
            self._last = None  # free it before the next is read: each may be large
            self._last = self._read(state)
        if self._last is None or abs(now - self._last[1]) > LONGEST_KEPT:
            return None
        return self._last[2]

    def put(self, state: ProjectState, lineage: Lineage, *, now: datetime) -> None:
        """Cache a lineage; if the folder is too large, delete the least recently used files."""
        self._last = (state, now, lineage)
        nodes = list(lineage.nodes.values())
        kept = _encoder.encode(_Kept(now, nodes, lineage.project_name))
        try:
            for folder in (self._folder.parent, self._folder):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(self._file(state), zlib.compress(kept, level=1))
            self._evict()
        except OSError as exc:
            log.warning("lineage.not_kept", folder=str(self._folder), problem=exc.strerror)

    def _read(self, state: ProjectState) -> tuple[ProjectState, datetime, Lineage] | None:
        file = self._file(state)
        try:
            with gc_paused():
                kept = _decoder.decode(zlib.decompress(file.read_bytes()))
            os.utime(file)  # the least recently used is deleted first
        except (OSError, zlib.error, msgspec.DecodeError):
            return None
        nodes = {node.unique_id: node for node in kept.nodes}
        return state, kept.fetched_at, Lineage(nodes, kept.project_name)

    def _file(self, state: ProjectState) -> Path:
        name = hashlib.sha256(msgspec.json.encode((SHAPE, state))).hexdigest()
        return self._folder / f"{name}{SUFFIX}"

    def _evict(self) -> None:
        room = self._most_bytes
        for size, file in self._newest_first():
            room -= size
            if room < 0:
                file.unlink(missing_ok=True)

    def _newest_first(self) -> Iterator[tuple[int, Path]]:
        files = []
        for file in self._folder.glob(f"*{SUFFIX}"):
            with contextlib.suppress(FileNotFoundError):  # another worker made room
                seen = file.stat()
                files.append((seen.st_mtime, seen.st_size, file))
        for _, size, file in sorted(files, reverse=True):
            yield size, file
