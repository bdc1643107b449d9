"""A response's body: inflated on the way into its file, bounded in bytes and seconds."""

import mmap
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

import requests
from urllib3.exceptions import HTTPError

CHUNK = 2**18


class BeyondLimits(OSError):
    """A body that is not read to its end: what it means depends on what was asked."""


class TooLarge(BeyondLimits):
    """It has too many bytes."""


class TooSlow(BeyondLimits):
    """It took too many seconds."""


@dataclass(frozen=True, slots=True)
class Sink:
    """Where a body goes, how many bytes of it, and for how many seconds.

    `compressed` is how many bytes it may have on the wire, where it is compressed.
    """

    file: BinaryIO
    most: int
    seconds: float
    compressed: int


def take_body(response: requests.Response, sink: Sink) -> None:
    """Write the body into its sink. Raises BeyondLimits, and what requests and urllib3 raise."""
    for piece in _pieces(response, sink):
        sink.file.write(piece)
        if sink.file.tell() > sink.most:
            raise TooLarge(f"the answer has more than {sink.most} bytes")


def _pieces(response: requests.Response, sink: Sink) -> Iterator[bytes]:
    """The body as it comes, inflated."""
    until = time.monotonic() + sink.seconds
    is_gzip = response.headers.get("Content-Encoding", "").strip().lower() in ("gzip", "x-gzip")
    inflater = _Gzip() if is_gzip else None  # any other encoding was not asked for: as it is
    taken = 0
    while piece := response.raw.read1(CHUNK, decode_content=False):
        taken += len(piece)
        if taken > sink.compressed and inflater is not None:
            raise TooLarge(f"more than {sink.compressed} compressed bytes")
        if time.monotonic() > until:
            raise TooSlow(f"the answer took over {sink.seconds:g} s")
        yield from inflater.inflate(piece) if inflater else (piece,)
    if inflater is not None and not inflater.is_at_an_end:
        raise HTTPError("the compressed body ends too early")


class _Gzip:
    """Inflates a body of any number of gzip members, also of none.

    What follows the last member and is none is ignored, as gzip itself and requests do.
    """

    def __init__(self) -> None:
        self._member = _member()
        self._members = 0
        self._has_begun = False

    @property
    def is_at_an_end(self) -> bool:
        """Whether the body may end here."""
        return not self._has_begun

    def inflate(self, compressed: bytes) -> Iterator[bytes]:
        """Inflate piece by piece: a small body may hold a very large one."""
        while compressed:
            try:
                piece = self._member.decompress(compressed, CHUNK)
            except zlib.error:
                if self._members:
                    return
                raise
            self._has_begun = True
            yield piece
            compressed = self._member.unconsumed_tail
            if self._member.eof:
                compressed = self._member.unused_data
                self._member, self._has_begun = _member(), False
                self._members += 1


def _member() -> "zlib._Decompress":
    return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)


@contextmanager
def mapped(file: BinaryIO) -> Iterator[memoryview]:
    """The file's content without a copy of it in memory."""
    if file.tell() == 0:
        yield memoryview(b"")
        return
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as pages, memoryview(pages) as view:
        yield view
