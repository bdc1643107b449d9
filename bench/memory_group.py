"""A memory cgroup with a limit, below this process's own: what a container's limit does.

Version 1, or version 2 where the memory controller is handed down to us.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class MemoryGroup:
    """The cgroup's folder, and whether it is of version 1."""

    path: Path
    is_v1: bool

    @property
    def prefix(self) -> tuple[str, ...]:
        """The beginning of a command that is to run in it."""
        return ("sh", "-c", f'echo $$ > {self.path}/cgroup.procs && exec "$@"', "sh")

    @property
    def peak(self) -> int:
        """Bytes, pages of files included: the kernel drops these when the limit is near."""
        return int(self._read("memory.max_usage_in_bytes" if self.is_v1 else "memory.peak"))

    @property
    def times_at_the_limit(self) -> int:
        if self.is_v1:
            return int(self._read("memory.failcnt"))
        return self._count("memory.events", "max")

    @property
    def killed(self) -> int:
        return self._count("memory.oom_control" if self.is_v1 else "memory.events", "oom_kill")

    def _count(self, file: str, name: str) -> int:
        found = re.search(rf"^{name} (\d+)$", self._read(file), re.MULTILINE)
        return int(found[1]) if found else 0

    def _read(self, file: str) -> str:
        return (self.path / file).read_text(encoding="ascii")


@contextmanager
def memory_group(limit: int) -> Iterator[MemoryGroup | None]:
    """A cgroup limited to so many bytes; None where we may not make one."""
    group = _ours()
    try:
        group.path.mkdir()
    except OSError:
        yield None
        return
    try:
        file = group.path / ("memory.limit_in_bytes" if group.is_v1 else "memory.max")
        may = os.access(file, os.W_OK)
        if may:
            file.write_text(str(limit), encoding="ascii")
        yield group if may else None
    finally:
        group.path.rmdir()


def _ours() -> MemoryGroup:
    name = f"relay-bench-{os.getpid()}"
    for line in Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines():
        _, controllers, own = line.split(":", 2)
        if "memory" in controllers.split(","):
            return MemoryGroup(ROOT / "memory" / own.strip("/") / name, is_v1=True)
        if not controllers:
            unified = own.strip("/")
    return MemoryGroup(ROOT / unified / name, is_v1=False)
