"""A request is found in what a client sends, however the bytes are cut."""

import itertools

import pytest
from gunicorn.config import Config
from gunicorn.http.errors import ParseException
from hypothesis import given
from hypothesis import strategies as st

from relay.dashboard import application
from relay.web.app import LARGEST_BODY
from relay.web.request_buffer import LARGEST_FORM, LARGEST_HEAD, MOST_CHUNKS, RequestBuffer

CLIENT = ("127.0.0.1", 50000)
SIGNED = b"Authorization: " + b"0" * 64 + b"\r\n"
POST = b"POST /webhooks/dbt HTTP/1.1\r\nHost: relay\r\n"
FORM = "Content-Type: application/x-www-form-urlencoded; charset=utf-8"
LOGIN = f"POST /login HTTP/1.1\r\nHost: relay\r\n{FORM}\r\n".encode()
IN_CHUNKS = POST + SIGNED + b"Transfer-Encoding: chunked\r\n\r\n"
STREAM = b"".join(
    (
        b"GET /healthz HTTP/1.1\r\nHost: relay\r\n\r\n",
        POST + SIGNED + b"Content-Length: 5\r\n\r\nfirst",
        IN_CHUNKS + b"3;a=b\r\nsec\r\n3\r\nond\r\n0\r\n\r\n",
        IN_CHUNKS + b"5\r\nthird\r\n0\r\nX-Trailer: 0\r\n\r\n",
        POST + SIGNED + b"Content-Length: 6\r\n\r\nfourth",
    )
)
REQUESTS = [
    ("/healthz", b""),
    *(("/webhooks/dbt", body) for body in (b"first", b"second", b"third", b"fourth")),
]


@pytest.fixture(name="buffer")
def _buffer():
    return RequestBuffer(Config(), CLIENT)


def add(buffer, data):
    buffer.add(memoryview(data))
    return buffer.is_received()


def requests_of(pieces):
    """Every request in them, taken as soon as it is there."""
    buffer, found = RequestBuffer(Config(), CLIENT), []
    for piece in pieces:
        is_received = add(buffer, piece)
        while is_received:
            request = buffer.take()
            found.append((request.uri, request.body.read()))
            buffer.next_request()
            is_received = buffer.is_received()
    assert len(buffer) == 0
    return found


class TestARequest:
    @given(st.lists(st.integers(min_value=0, max_value=len(STREAM))))
    def test_is_found_wherever_what_is_sent_is_cut(self, cuts):
        edges = [0, *sorted(cuts), len(STREAM)]
        pieces = [STREAM[begin:end] for begin, end in itertools.pairwise(edges)]
        assert requests_of(pieces) == REQUESTS

    def test_is_found_in_single_bytes(self):
        assert requests_of([bytes([byte]) for byte in STREAM]) == REQUESTS


class TestABody:
    @pytest.mark.parametrize(
        "framing",
        ["Content-Length: 5", "Transfer-Encoding: chunked", f"{FORM}\r\nContent-Length: 5"],
    )
    def test_is_not_waited_for_without_a_signature(self, buffer, framing):
        assert add(buffer, POST + framing.encode() + b"\r\n\r\n")
        assert buffer.take().should_close()

    def test_is_waited_for_if_it_is_a_form(self, buffer):
        assert not add(buffer, LOGIN + b"Content-Length: 5\r\n\r\n")
        assert not add(buffer, b"name")
        assert add(buffer, b"=")
        assert buffer.take().body.read() == b"name="

    @pytest.mark.parametrize(
        "framing", [f"Content-Length: {LARGEST_FORM + 1}", "Transfer-Encoding: chunked"]
    )
    def test_is_not_waited_for_if_no_browser_would_send_such_a_form(self, buffer, framing):
        assert add(buffer, LOGIN + framing.encode() + b"\r\n\r\n")
        assert buffer.take().should_close()

    def test_of_a_form_may_be_as_large_as_the_dashboard_takes_it(self):
        assert application.LARGEST_FORM == LARGEST_FORM

    def test_is_waited_for_with_one(self, buffer):
        assert not add(buffer, POST + SIGNED + b"Content-Length: 5\r\n\r\n1234")
        assert add(buffer, b"5")
        assert not buffer.take().should_close()

    def test_that_says_it_is_too_large_is_not_waited_for(self, buffer):
        too_large = f"Content-Length: {LARGEST_BODY + 1}\r\n\r\n".encode()
        assert add(buffer, POST + SIGNED + too_large)
        assert buffer.take().should_close()

    def test_whose_chunks_become_too_large_is_told_by_its_length(self, buffer):
        assert add(buffer, IN_CHUNKS + b"%x\r\n" % (LARGEST_BODY + 1))
        assert ("CONTENT-LENGTH", str(LARGEST_BODY + 1)) in buffer.take().headers

    def test_may_come_in_many_chunks_but_not_in_more(self, buffer):
        assert not add(buffer, IN_CHUNKS + b"1\r\nx\r\n" * MOST_CHUNKS)
        with pytest.raises(ParseException):
            add(buffer, b"1\r\nx\r\n")

    @pytest.mark.parametrize("bad", [b"-5\r\n", b"0x5\r\n", b" 5\r\n", b"\r\n", b"5 5\r\n"])
    def test_with_a_malformed_chunk_size_is_refused_at_once(self, buffer, bad):
        assert add(buffer, IN_CHUNKS + bad)
        with pytest.raises(ParseException):
            buffer.take()

    @pytest.mark.parametrize("endless", [b"5;" + b"x" * 2**14, b"0\r\nX: " + b"x" * 2**14])
    def test_with_a_line_without_end_is_refused(self, buffer, endless):
        assert add(buffer, IN_CHUNKS + endless)
        with pytest.raises(ParseException):
            buffer.take()


def test_a_head_without_end_is_refused(buffer):
    assert not add(buffer, POST + b"X-Long: " + b"x" * (LARGEST_HEAD - 100))
    with pytest.raises(ParseException):
        add(buffer, b"x" * 100)


def test_a_client_that_waits_for_100_continue_is_told_of_once(buffer):
    assert not add(buffer, POST + SIGNED + b"Expect: 100-continue\r\nContent-Length: 1\r\n\r\n")
    assert buffer.takes_expectation()
    assert not buffer.takes_expectation()
    assert add(buffer, b"x")
    assert not buffer.take()._expected_100_continue
