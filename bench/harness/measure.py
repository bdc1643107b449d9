"""CPU and memory of processes. Linux only."""

import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

SAMPLING = 0.002  # seconds
MEGABYTE = 10**6


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds since the start of some processes, and the PSS bytes they hold."""

    cpu: float
    memory: int

    @classmethod
    def of(cls, pid: int) -> Self:
        """What a process and its descendants use, with what their dead children have used."""
        alive = list(_family(pid))
        return cls(cpu=sum(map(_cpu, alive)), memory=sum(map(_memory, alive)))

    @classmethod
    def of_one(cls, pid: int) -> Self:
        """What one process uses, without its children."""
        process = psutil.Process(pid)
        times = process.cpu_times()
        return cls(cpu=times.user + times.system, memory=_memory(process))


def cpu_of(pid: int) -> float:
    """Only Usage.cpu, because reading memory is slow enough to disturb a measurement."""
    return sum(map(_cpu, _family(pid)))


class CpuUsed:
    """The seconds of CPU that each process and its descendants take while the block runs."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self.seconds: dict[str, float] = {}
        self._pids = pids

    def __enter__(self) -> Self:
        self._before = {name: cpu_of(pid) for name, pid in self._pids.items()}
        return self

    def __exit__(self, *_: object) -> None:
        for name, pid in self._pids.items():
            self.seconds[name] = cpu_of(pid) - self._before[name]


class AnonymousPeak:
    """The most memory a process holds, without pages of files, while the block runs. Bytes.

    The kernel does not record this maximum: a thread samples it every two milliseconds, so this
    process should do nothing else. A process that has ended keeps its last value.
    """

    def __init__(self, pid: int) -> None:
        self.bytes = 0
        self._status = Path(f"/proc/{pid}/status")
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _look(self) -> None:
        with self._status.open("rb") as status:
            while not self._stopping.wait(SAMPLING):
                try:
                    text = os.pread(status.fileno(), 4096, 0)
                except ProcessLookupError:
                    return
                self.bytes = max(self.bytes, _kilobytes(text, b"RssAnon:") * 1024)


def resident_peak(pid: int) -> int:
    """The most memory a process ever held, with pages of files. Bytes."""
    return _kilobytes(Path(f"/proc/{pid}/status").read_bytes(), b"VmHWM:") * 1024


def _kilobytes(status: bytes, name: bytes) -> int:
    _, _, rest = status.partition(name)
    return int(rest.split(maxsplit=1)[0]) if rest else 0  # a process that has ended has none


def postmaster(data_dir: Path) -> int:
    """The pid of the PostgreSQL that relay keeps in a data folder."""
    return int((data_dir / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0])


def is_on_disk(path: Path) -> bool:
    """Whether a file there is not in memory."""
    mounts = {Path(each.mountpoint): each.fstype for each in psutil.disk_partitions(all=True)}
    fstype: str = next(mounts[at] for at in (path, *path.parents) if at in mounts)
    return fstype != "tmpfs"


def _family(pid: int) -> Iterator[psutil.Process]:
    try:
        process = psutil.Process(pid)
        yield process
        yield from process.children(recursive=True)
    except psutil.NoSuchProcess:
        return


def _cpu(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)


def anonymous(pid: int) -> int:
    """The anonymous memory of a process and of all below it, in bytes: not shared with others.

    PostgreSQL's shared buffers are not in it: they fill once, up to the size they are set to.
    """
    process = psutil.Process(pid)
    return sum(map(_anonymous, [process, *process.children(recursive=True)]))


def _anonymous(process: psutil.Process) -> int:
    try:
        status = Path(f"/proc/{process.pid}/status").read_bytes()
    except OSError:
        return 0
    return _kilobytes(status, b"RssAnon:") * 1024


def _memory(process: psutil.Process) -> int:
    try:
        pss: int = process.memory_full_info().pss
    except psutil.NoSuchProcess:
        return 0
    return pss
