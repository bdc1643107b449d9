"""Writes several new files, all or none."""

import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from relay.errors import CannotWrite


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file to write; `mode` has its permissions."""

    path: Path
    text: str = field(repr=False)
    mode: int


def write_new(files: Iterable[NewFile]) -> None:
    """Write the files, and create their folders.

    Raises CannotWrite, also if a file exists: nothing is overwritten, and after an error none of
    the files is left. Signals are handled after the files are written.
    """
    with _interrupts_deferred(), ExitStack() as undo:
        for file in files:
            try:
                _write(file, undo)
            except OSError as exc:
                raise CannotWrite(f"{file.path} cannot be written: {exc.strerror}") from exc
        undo.pop_all()


@contextmanager
def _interrupts_deferred() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _write(file: NewFile, undo: ExitStack) -> None:
    file.path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, file.mode)
    undo.callback(_remove, file.path)
    with open(descriptor, "w", encoding="utf-8") as stream:  # noqa: PTH123 - it is open already
        stream.write(file.text)


def _remove(path: Path) -> None:
    with suppress(FileNotFoundError):
        path.unlink()
