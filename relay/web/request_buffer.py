"""What one client has sent so far, and whether it contains a complete request. No I/O here.

gunicorn's parser reads the head and the chunks, and decides what is valid. This module only finds
out, without blocking, when the parser has enough data.
"""

import io
from typing import Any

from gunicorn.http.body import LengthReader
from gunicorn.http.errors import InvalidChunkSize, LimitRequestHeaders, ParseException
from gunicorn.http.message import Request
from gunicorn.http.unreader import Unreader

from relay.dbt.deliveries import mac_of
from relay.errors import NotGenuine
from relay.web.app import LARGEST_BODY, WEBHOOK_PATH

LARGEST_HEAD = 2**15  # bytes; dbt's own are under 1 kB, a proxy adds a few headers
MOST_CHUNKS = 1024  # of a body: enough for the largest one in chunks of 1 kB
LARGEST_FORM = 2**16  # bytes; the dashboard takes no larger one
FORM = "application/x-www-form-urlencoded"
PIECE = 2**13  # bytes given to the parser at once: it copies the unused rest each time
LONGEST_CHUNK_SIZE = 16  # hexadecimal digits: more than any body needs, and cheap to parse
LONGEST_CHUNK_LINE = 2**13  # bytes; gunicorn's own limit. The same for trailers


class NotReceived(ParseException):  # type: ignore[misc]
    """The parser needs more than has been received."""

    def __str__(self) -> str:
        return "The request ends too early."


class RequestBuffer(Unreader):  # type: ignore[misc]
    """Received bytes: at most one request in progress, and what the client sent after it."""

    def __init__(self, cfg: Any, client: Any) -> None:
        super().__init__()
        self._cfg, self._client = cfg, client
        self._data = bytearray()
        self._requests = 0
        self._expects_continue = False
        self._reset()

    def __len__(self) -> int:
        return len(self._data)

    def add(self, piece: memoryview) -> None:
        """Append received bytes."""
        self._data += piece

    def is_received(self) -> bool:
        """Whether the next request is received: completely, or as far as it will be read.

        Raises gunicorn's ParseException if it is malformed.
        """
        if self._request is None and not self._read_head():
            return False
        if self._body.is_complete(self._data):
            return True
        if self._body.is_too_large or not (self._is_signed() or self._is_form()):
            self._is_left_unread = True
            self._request.force_close()  # the rest of the body is not the next request
            return True
        return False

    def takes_expectation(self) -> bool:
        """Whether the client waits for `100 Continue`; True only once for each request."""
        expects, self._expects_continue = self._expects_continue, False
        return expects

    def take(self) -> Any:
        """The request, with its body in memory. Raises ParseException for malformed chunks."""
        request = self._request
        if self._is_left_unread:
            request.headers = self._body.headers_unread(request)
            request.body = io.BytesIO()
        else:
            request.body = io.BytesIO(self._body.read(request, self._data))
        return request

    def next_request(self) -> None:
        """Drop the request that was taken, and keep what the client has sent after it."""
        del self._data[: self._body.end_in(self)]
        self._reset()

    def clear(self) -> None:
        """Drop everything."""
        self._data = bytearray()
        self._reset()

    def chunk(self, size_hint: int | None = None) -> bytes:
        """Give gunicorn's parser the next piece. Raises NotReceived."""
        end = self._given + max(size_hint or 0, PIECE)
        piece = bytes(memoryview(self._data)[self._given : end])
        if not piece:
            raise NotReceived
        self._given += len(piece)
        return piece

    @property
    def parsed(self) -> int:
        """How many bytes the parser has used."""
        unused: int = self.buf.getbuffer().nbytes
        return self._given - unused

    def _reset(self) -> None:
        self.take_buffered()
        self._given = 0  # bytes that the parser has been given
        self._searched = 0
        self._request: Any = None
        self._body: _Length | _Chunks = _Length(0, 0)
        self._is_left_unread = False

    def _read_head(self) -> bool:
        end = self._data.find(b"\r\n\r\n", self._searched)
        self._searched = max(0, len(self._data) - 3)
        if end < 0:
            if len(self._data) > LARGEST_HEAD:
                raise LimitRequestHeaders(f"The head is over {LARGEST_HEAD} bytes.")
            return False
        try:
            request = Request(self._cfg, self, self._client, self._requests + 1)
        except NotReceived:  # with the PROXY protocol an empty line may not end the head
            self.take_buffered()
            self._given = 0
            return False
        self._requests += 1
        # gunicorn would send `100 Continue` only after the body, when it calls the application.
        self._expects_continue = bool(request._expected_100_continue)  # noqa: SLF001
        request._expected_100_continue = False  # noqa: SLF001
        self._request, self._body = request, _framing(request, self.parsed)
        return True

    def _is_signed(self) -> bool:
        """Whether it has a signature: of any other request only a form is read."""
        signatures = self._values("AUTHORIZATION")
        try:
            mac_of(",".join(signatures) if signatures else None)
        except NotGenuine:
            return False
        return True

    def _is_form(self) -> bool:
        """Whether it is a form of the dashboard: browsers send its body after its head."""
        kinds = [value.partition(";")[0].strip().lower() for value in self._values("CONTENT-TYPE")]
        is_elsewhere = self._request.path != WEBHOOK_PATH
        return is_elsewhere and kinds == [FORM] and self._body.is_form_sized

    def _values(self, header: str) -> list[str]:
        return [value for name, value in self._request.headers if name == header]


def _framing(request: Any, start: int) -> "_Length | _Chunks":
    reader = request.body.reader
    return _Length(start, reader.length) if isinstance(reader, LengthReader) else _Chunks(start)


class _Length:
    """A body whose length is known."""

    def __init__(self, start: int, length: int) -> None:
        self._start, self._end = start, start + length
        self.is_too_large = length > LARGEST_BODY
        self.is_form_sized = length <= LARGEST_FORM

    def is_complete(self, data: bytearray) -> bool:
        return len(data) >= self._end and not self.is_too_large

    def read(self, request: Any, data: bytearray) -> bytes:
        return bytes(memoryview(data)[self._start : self._end])

    def headers_unread(self, request: Any) -> list[tuple[str, str]]:
        return list(request.headers)

    def end_in(self, buffer: RequestBuffer) -> int:
        return self._end


class _Chunks:
    """A chunked body: finds where the last chunk ends, from one size to the next."""

    is_form_sized = False  # no browser sends a form so

    def __init__(self, start: int) -> None:
        self._at = start  # where the next size line begins
        self._chunks = 0
        self._size = 0

    @property
    def is_too_large(self) -> bool:
        return self._size > LARGEST_BODY

    def is_complete(self, data: bytearray) -> bool:
        while not self.is_too_large:
            end_of_line = data.find(b"\r\n", self._at, self._at + LONGEST_CHUNK_LINE)
            if end_of_line < 0:
                return len(data) - self._at >= LONGEST_CHUNK_LINE  # read() refuses such a line
            size = _chunk_size(data[self._at : end_of_line])
            if size is None:
                return True  # read() reports the error
            if size == 0:
                return _have_trailers_ended(data, end_of_line)
            self._skip_chunk(end_of_line, size)
        return False

    def _skip_chunk(self, end_of_line: int, size: int) -> None:
        self._chunks += 1
        self._size += size
        self._at = end_of_line + 2 + size + 2
        # A chunk costs the CPU as much as a kilobyte: a body of single bytes takes seconds.
        if self._chunks > MOST_CHUNKS:
            raise InvalidChunkSize(f"more than {MOST_CHUNKS} chunks")

    def read(self, request: Any, data: bytearray) -> bytes:
        body: bytes = request.body.read()
        return body

    def headers_unread(self, request: Any) -> list[tuple[str, str]]:
        """With the size so far as length, so that the application refuses the body."""
        headers = [header for header in request.headers if header[0] != "TRANSFER-ENCODING"]
        return [*headers, ("CONTENT-LENGTH", str(self._size))]

    def end_in(self, buffer: RequestBuffer) -> int:
        return buffer.parsed


def _chunk_size(line: bytearray) -> int | None:
    """None if it is not a number. Raises InvalidChunkSize if it has too many digits."""
    digits = line.partition(b";")[0].rstrip()
    is_hex = digits and not digits.strip(b"0123456789abcdefABCDEF")
    if is_hex and len(digits) > LONGEST_CHUNK_SIZE:
        raise InvalidChunkSize(f"more than {LONGEST_CHUNK_SIZE} digits")
    return int(digits, 16) if is_hex else None


def _have_trailers_ended(data: bytearray, end_of_line: int) -> bool:
    # The empty line that ends them may follow at once.
    is_over_limit = len(data) - end_of_line > LONGEST_CHUNK_LINE
    return data.find(b"\r\n\r\n", end_of_line) >= 0 or is_over_limit
