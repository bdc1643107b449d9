"""Mapping files on disk: a new one, or one that is added to. Written whole or not at all."""

import os
import stat
import tempfile
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO

from relay.census.additions import Addition, add_missing
from relay.census.mapping_text import Entry
from relay.decision.mapping_reader import read_mapping
from relay.errors import BadMapping, CannotAppend, CannotWrite
from relay.operations.new_files import NewFile, write_new

FOR_ALL = 0o644


def write_new_mapping(path: Path, text: str, census_hosts: Collection[str]) -> None:
    """Write a file that is not there yet. Raises CannotWrite, also for what could not be read."""
    try:
        read_mapping(text.encode(), file=str(path), census_hosts=census_hosts)
    except BadMapping as exc:
        raise CannotWrite(f"{path} is not written, for relay could not read it: {exc}") from None
    write_new([NewFile(path, text, FOR_ALL)])


def append_missing(path: Path, entries: Iterable[Entry], census_hosts: Collection[str]) -> Addition:
    """Add the entries that a mapping file lacks; where there are none it stays untouched.

    A symlink stays one. Raises BadMapping, CannotAppend, CannotWrite.
    """
    file = path.resolve()
    try:
        before = file.read_bytes()
    except OSError as exc:
        raise CannotAppend(f"{path} cannot be read: {exc.strerror}") from exc
    try:
        addition = add_missing(before, entries, file=str(path), census_hosts=census_hosts)
    except CannotAppend as exc:
        raise CannotAppend(f"{path} cannot be added to: {exc}") from None
    if addition.content != before:
        _replace(file, before, addition.content)
    return addition


def _replace(file: Path, before: bytes, content: bytes) -> None:
    """Replace a file that is still what it was; its mode stays, and its owner where it may."""
    try:
        folder, prefix = file.parent, f".{file.name}-"
        with tempfile.NamedTemporaryFile(dir=folder, prefix=prefix, delete=False) as new:
            written = Path(new.name)
            try:
                _write(new, content, file.stat())
                _must_be(file, before)
                written.replace(file)
            finally:
                written.unlink(missing_ok=True)
    except OSError as exc:
        raise CannotWrite(f"{file} cannot be written: {exc.strerror}") from exc


def _write(new: IO[bytes], content: bytes, like: os.stat_result) -> None:
    new.write(content)
    new.flush()
    os.fchmod(new.fileno(), stat.S_IMODE(like.st_mode))
    with suppress(PermissionError):  # only root may give a file away
        os.fchown(new.fileno(), like.st_uid, like.st_gid)
    os.fsync(new.fileno())


def _must_be(file: Path, before: bytes) -> None:
    if file.read_bytes() != before:
        raise CannotAppend(f"{file} was changed by another program meanwhile: try again")
