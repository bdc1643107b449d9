"""Decompresses a body piece by piece, because a small one may expand to a very large one."""

import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence

from urllib3.exceptions import HTTPError

CHUNK = 2**18
MOST_ENCODINGS = 5  # nested; urllib3 has the same limit
GZIP_HEADER = 10  # bytes, at least: RFC 1952
GZIP_MAGIC = b"\x1f\x8b\x08"


class Inflater(ABC):
    """One encoding of a body."""

    @abstractmethod
    def inflate(self, compressed: bytes) -> Iterator[bytes]:
        """Decompress the next bytes. Raises zlib.error."""

    @property
    @abstractmethod
    def is_at_an_end(self) -> bool:
        """Whether the body may end here."""


def inflaters_of(content_encoding: str) -> list[Inflater]:
    """The inflaters for a Content-Encoding, in the order in which to apply them.

    Empty if it has an unknown encoding: the body is then read as it is. Raises HTTPError for more
    than MOST_ENCODINGS encodings.
    """
    names = [name.strip().lower() for name in content_encoding.split(",")]
    if not all(name in _INFLATERS for name in names):
        return []
    if len(names) > MOST_ENCODINGS:
        raise HTTPError(f"the body is compressed more than {MOST_ENCODINGS} times")
    return [_INFLATERS[name]() for name in reversed(names)]


def inflated(
    piece: bytes, inflaters: Sequence[Inflater], *, check: Callable[[], None]
) -> Iterator[bytes]:
    """A decompressed piece of the body; `check` is called often. Raises zlib.error."""
    pieces: Iterable[bytes] = (piece,)
    for inflater in inflaters:
        pieces = _through(inflater, pieces, check)
    yield from pieces


def _through(
    inflater: Inflater, pieces: Iterable[bytes], check: Callable[[], None]
) -> Iterator[bytes]:
    for piece in pieces:
        check()
        yield from inflater.inflate(piece)


class _Gzip(Inflater):
    """Any number of gzip members, or none.

    Other data after the last member is ignored, as gzip itself and requests do.
    """

    def __init__(self) -> None:
        self._member = _gzip_member()
        self._members = 0
        self._first = b""  # bytes of the member
        self._ignores_the_rest = False

    @property
    def is_at_an_end(self) -> bool:
        if self._members == 0:
            return not self._first
        return self._ignores_the_rest or len(self._first) < GZIP_HEADER

    def inflate(self, compressed: bytes) -> Iterator[bytes]:
        while compressed and not self._ignores_the_rest:
            self._first = (self._first + compressed)[:GZIP_HEADER]
            try:
                piece = self._member.decompress(compressed, CHUNK)
            except zlib.error:
                self._ignores_the_rest = self._members > 0 and not self._is_a_member
                if self._ignores_the_rest:
                    return
                raise
            yield piece
            compressed = self._member.unconsumed_tail
            if self._member.eof:
                compressed = self._member.unused_data
                self._member, self._first = _gzip_member(), b""
                self._members += 1

    @property
    def _is_a_member(self) -> bool:
        return self._first.startswith(GZIP_MAGIC)


class _Deflate(Inflater):
    """A zlib stream, or a raw deflate stream, which some servers send. Data after it is ignored.

    RFC 9110, 8.4.1.2, describes both.
    """

    def __init__(self) -> None:
        self._first = b""
        self._stream: zlib._Decompress | None = None

    @property
    def is_at_an_end(self) -> bool:
        return not self._first if self._stream is None else self._stream.eof

    def inflate(self, compressed: bytes) -> Iterator[bytes]:
        if self._stream is None:
            compressed = self._first = self._first + compressed
            if len(compressed) < 2:  # noqa: PLR2004 - the bytes of a zlib header
                return
            bits = zlib.MAX_WBITS if _has_zlib_header(compressed) else -zlib.MAX_WBITS
            self._stream = zlib.decompressobj(wbits=bits)
        while compressed and not self._stream.eof:
            yield self._stream.decompress(compressed, CHUNK)
            compressed = self._stream.unconsumed_tail


def _has_zlib_header(stream: bytes) -> bool:
    """RFC 1950, 2.2."""
    method = stream[0] & 0x0F
    return method == zlib.DEFLATED and int.from_bytes(stream[:2]) % 31 == 0


def _gzip_member() -> "zlib._Decompress":
    return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)


_INFLATERS: dict[str, Callable[[], Inflater]] = {
    "gzip": _Gzip,
    "x-gzip": _Gzip,
    "deflate": _Deflate,
}
