"""Reading a response's body into a file: decompressed, with limits for bytes and seconds."""

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
    """A body over a limit, not read to its end; what that means depends on the request."""


class TooLarge(BeyondLimits):
    """The body has too many bytes."""


class TooSlow(BeyondLimits):
    """The body took too many seconds."""


@dataclass(frozen=True, slots=True)
class Sink:
    """Where a body is written, and its limits in bytes and seconds.

    `max_compressed` limits the bytes on the wire of a compressed body.
    """

    file: BinaryIO
    max_bytes: int
    seconds: float
    max_compressed: int


def read_body(response: requests.Response, sink: Sink) -> None:
    """Write the body to the sink. Raises BeyondLimits, and what requests and urllib3 raise."""
    for piece in _pieces(response, sink):
        sink.file.write(piece)
        if sink.file.tell() > sink.max_bytes:
            raise TooLarge(f"the response has more than {sink.max_bytes} bytes")


def _pieces(response: requests.Response, sink: Sink) -> Iterator[bytes]:
    """The decompressed body, piece by piece."""
    until = time.monotonic() + sink.seconds

    def check() -> None:
        if time.monotonic() > until:
            raise TooSlow(f"the response took over {sink.seconds:g} s")

    inflaters = inflaters_of(response.headers.get("Content-Encoding", ""))
    taken = 0
    while compressed := response.raw.read1(CHUNK, decode_content=False):
        taken += len(compressed)
        if taken > sink.max_compressed and inflaters:
            raise TooLarge(f"more than {sink.max_compressed} compressed bytes")
        check()
        yield from inflated(compressed, inflaters, check=check)
    if not all(inflater.is_at_an_end for inflater in inflaters):
        raise HTTPError("the compressed body ends too early")


@contextmanager
def mapped(file: BinaryIO) -> Iterator[memoryview]:
    """The file's content, memory-mapped instead of copied."""
    if file.tell() == 0:
        yield memoryview(b"")
        return
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as pages, memoryview(pages) as view:
        yield view
