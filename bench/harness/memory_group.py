"""A memory cgroup with a limit, below this process's own: what a container's limit does.

Of version 1: in version 2 a group with processes of its own cannot limit groups below it.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/fs/cgroup/memory")


@dataclass(frozen=True, slots=True)
class MemoryGroup:
    """The cgroup's folder."""

    path: Path

    @property
    def prefix(self) -> tuple[str, ...]:
        """The beginning of a command that is to run in it."""
        return ("sh", "-c", f'echo $$ > {self.path}/cgroup.procs && exec "$@"', "sh")

    @property
    def peak(self) -> int:
        """Bytes, pages of files included: the kernel drops these when the limit is near."""
        return int(self._read("memory.max_usage_in_bytes"))

    @property
    def times_at_the_limit(self) -> int:
        return int(self._read("memory.failcnt"))

    @property
    def killed(self) -> int:
        found = re.search(r"^oom_kill (\d+)$", self._read("memory.oom_control"), re.MULTILINE)
        return int(found[1]) if found else 0

    def _read(self, file: str) -> str:
        return (self.path / file).read_text(encoding="ascii")


@contextmanager
def memory_group(limit: int) -> Iterator[MemoryGroup | None]:
    """A cgroup limited to so many bytes; None where we may not make one."""
    own = _own()
    if own is None or not os.access(own, os.W_OK):
        yield None
        return
    group = MemoryGroup(own / f"relay-bench-{os.getpid()}")
    group.path.mkdir()
    try:
        (group.path / "memory.limit_in_bytes").write_text(str(limit), encoding="ascii")
        yield group
    finally:
        group.path.rmdir()


def _own() -> Path | None:
    for line in Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            return ROOT / path.strip("/")
    return None
