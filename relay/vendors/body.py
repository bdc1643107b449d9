"""A response's body: inflated on the way into its file, bounded in bytes and seconds."""

import mmap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

import requests
from urllib3.exceptions import HTTPError

from relay.vendors.encodings import CHUNK, inflated, inflaters_of


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

    def check() -> None:
        if time.monotonic() > until:
            raise TooSlow(f"the answer took over {sink.seconds:g} s")

    inflaters = inflaters_of(response.headers.get("Content-Encoding", ""))
    taken = 0
    while compressed := response.raw.read1(CHUNK, decode_content=False):
        taken += len(compressed)
        if taken > sink.compressed and inflaters:
            raise TooLarge(f"more than {sink.compressed} compressed bytes")
        check()
        yield from inflated(compressed, inflaters, check=check)
    if not all(inflater.is_at_an_end for inflater in inflaters):
        raise HTTPError("the compressed body ends too early")


@contextmanager
def mapped(file: BinaryIO) -> Iterator[memoryview]:
    """The file's content without a copy of it in memory."""
    if file.tell() == 0:
        yield memoryview(b"")
        return
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as pages, memoryview(pages) as view:
        yield view
