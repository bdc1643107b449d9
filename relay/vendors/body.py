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
    inflate = _inflater(response.headers.get("Content-Encoding"))
    taken = 0
    while compressed := response.raw.read1(CHUNK, decode_content=False):
        taken += len(compressed)
        if taken > sink.compressed and inflate is not None:
            raise TooLarge(f"more than {sink.compressed} compressed bytes")
        if time.monotonic() > until:
            raise TooSlow(f"the answer took over {sink.seconds:g} s")
        yield from _inflated(inflate, compressed)
    if inflate is not None and not inflate.eof:
        raise HTTPError("the compressed body ends too early")


def _inflater(encoding: str | None) -> "zlib._Decompress | None":
    if encoding is None or encoding == "identity":
        return None
    return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)  # gzip is all that was asked for


def _inflated(inflate: "zlib._Decompress | None", compressed: bytes) -> Iterator[bytes]:
    """Inflate piece by piece: a small body may hold a very large one."""
    if inflate is None:
        yield compressed
        return
    while compressed:
        yield inflate.decompress(compressed, CHUNK)
        compressed = inflate.unconsumed_tail


@contextmanager
def mapped(file: BinaryIO) -> Iterator[memoryview]:
    """The file's content without a copy of it in memory."""
    if file.tell() == 0:
        yield memoryview(b"")
        return
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as pages, memoryview(pages) as view:
        yield view
