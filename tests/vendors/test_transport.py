"""Whatever the wire does becomes one of three errors, over real HTTP to the sandbox."""

import contextlib
import email.utils
import gzip
import os
import socket
import threading
import time
import zlib
from datetime import UTC, datetime, timedelta

import pytest

from relay.errors import Rejected, Unanswered, Unavailable
from relay.notation import printable
from relay.sandbox import story
from relay.sandbox.wire import Body, Delay, HangUp, HangUpAfter, Status, StatusAfter, TruncatedBody
from relay.secret import Secret
from relay.vendors.transport import Limits, Transport

TRIGGER = "/api/v1/syncs/5123/trigger"
RUN = "/api/v1/syncs/5123"
GZIPPED = "Content-Encoding: gzip\r\n"
DEFLATED = "Content-Encoding: deflate\r\n"


def transport(base_url, **fields):
    given = {"token": Secret(story.CENSUS_API_KEY), "read_seconds": 0.3, "connections": 2}
    return Transport(vendor="Census", setting="CENSUS_URL", base_url=base_url, **(given | fields))


def in_seconds(seconds, now):
    """The HTTP date then."""
    return email.utils.format_datetime(now + timedelta(seconds=seconds), usegmt=True)


@pytest.fixture(name="census")
def _census(sandbox):
    return transport(sandbox.census.url)


def test_an_answer_is_its_status_its_body_and_the_time_over_there(census, clock):
    answer = census.get(RUN)
    assert answer.ok
    assert b'"success"' in answer.body
    assert abs((answer.vendor_now - clock.now).total_seconds()) <= 1


@pytest.mark.parametrize("code", [400, 401, 403, 404, 409, 422])
def test_a_refusal_is_an_answer(census, sandbox, code):
    sandbox.census.fail_next("/syncs", Status(code), times=2)
    assert census.get(RUN).http_status == code
    assert census.post(TRIGGER).http_status == code


@pytest.mark.parametrize(
    "fault", [Status(500), Status(503), HangUp(), HangUpAfter(), Delay(2), TruncatedBody()]
)
def test_a_question_without_an_answer_may_be_asked_again(census, sandbox, fault):
    sandbox.census.fail_next(RUN, fault)
    with pytest.raises(Unavailable):
        census.get(RUN)


@pytest.mark.parametrize(
    "fault",
    [
        Status(500),
        Status(502),
        StatusAfter(504),
        HangUp(),
        HangUpAfter(),
        Delay(2),
        TruncatedBody(),
    ],
)
def test_a_command_without_an_answer_may_have_been_done(census, sandbox, fault):
    sandbox.census.fail_next(TRIGGER, fault)
    with pytest.raises(Unanswered):
        census.post(TRIGGER)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (HangUp(), "the connection to {host} broke: closed without a response"),
        (Delay(2), "no response from {host} in time"),
        (TruncatedBody(), "the connection to {host} broke: the response ended too early"),
    ],
)
def test_a_failure_is_told_with_its_host_and_cause(census, sandbox, fault, said):
    sandbox.census.fail_next(RUN, fault)
    with pytest.raises(Unavailable) as failed:
        census.get(RUN)
    host = sandbox.census.url.removeprefix("http://")
    assert str(failed.value) == f"GET {RUN} at Census: {said.format(host=host)}"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:1", "no connection to 127.0.0.1:1: Connection refused"),
        (
            "http://no.such.invalid",
            "no connection to no.such.invalid: host name cannot be resolved",
        ),
    ],
)
def test_a_host_that_is_not_there_is_told_with_the_cause(url, said):
    with pytest.raises(Unavailable) as failed:
        transport(url).post(TRIGGER)
    assert str(failed.value) == f"POST {TRIGGER} at Census: {said}"


@pytest.mark.parametrize(
    ("head", "headers", "body", "said"),
    [
        ("SSH-2.0-OpenSSH", "", b"", "the response is not HTTP"),
        ("HTTP/1.1 200 OK", GZIPPED, b"abcde", "the compressed response cannot be read"),
        ("HTTP/1.1 200 OK", "Content-Length: 5\r\n", b"ab", "the response ended too early"),
    ],
)
def test_an_answer_that_is_none_is_told_with_the_cause(head, headers, body, said):
    with (
        _serving([body], headers, 0, head) as url,
        pytest.raises(Unavailable, match=f"the connection to [0-9.:]+ broke: {said}$"),
    ):
        transport(url, read_seconds=2).get(RUN)


@pytest.mark.parametrize(
    "limits", [Limits(answer=5), Limits(answer_seconds=0)], ids=["large", "slow"]
)
def test_a_command_whose_answer_is_too_much_to_read_may_have_been_done(sandbox, limits):
    with pytest.raises(Unanswered):
        transport(sandbox.census.url, limits=limits).post(TRIGGER)
    assert len(sandbox.census.sync_runs) == 1


def test_a_command_is_never_sent_twice_by_itself(census, sandbox):
    sandbox.census.fail_next(TRIGGER, HangUpAfter())
    with pytest.raises(Unanswered):
        census.post(TRIGGER)
    assert len(sandbox.census.requests_to(TRIGGER)) == 1
    assert len(sandbox.census.sync_runs) == 1


@pytest.mark.parametrize("send", [Transport.get, Transport.post])
def test_too_many_requests_did_nothing_and_says_when(census, sandbox, send):
    sandbox.census.fail_next("/syncs", Status(429, retry_after=7))
    with pytest.raises(Unavailable) as busy:
        send(census, TRIGGER)
    assert busy.value.retry_after == 7
    assert busy.value.http_status == 429


def test_a_vendor_that_wants_to_be_left_alone_is_until_then(sandbox, clock):
    resting, other = (transport(sandbox.census.url, stopwatch=clock.stopwatch) for _ in range(2))
    sandbox.census.fail_next(TRIGGER, Status(429, retry_after=7))
    for seconds in (7, 5):
        with pytest.raises(Unavailable) as busy:
            resting.post(TRIGGER)
        assert busy.value.retry_after == pytest.approx(seconds)
        clock.tick(2)
    assert len(sandbox.census.requests_to(TRIGGER)) == 1
    assert other.get(RUN).ok, "each workspace has a rest of its own"
    clock.tick(4)
    assert resting.post(TRIGGER).ok


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        (" 5 ", 5),
        ("99999999", 3600),
        ("soon", None),
        ("-1", None),
        ("9" * 5000, None),
        ("Fri, 31 Dec 99999 23:59:59 GMT", None),
    ],
)
def test_retry_after_is_a_number_of_seconds(sandbox, header, seconds):
    sandbox.census.fail_next(RUN, Status(429, retry_after=header))
    with pytest.raises(Unavailable) as busy:
        transport(sandbox.census.url).get(RUN)
    assert busy.value.retry_after == seconds


@pytest.mark.parametrize(("seconds", "wait"), [(90, 90), (-90, 0)])
def test_or_a_date_of_the_vendors_clock(sandbox, clock, seconds, wait):
    """Which is a day ahead of ours here."""
    sandbox.census.fail_next(RUN, Status(429, retry_after=in_seconds(seconds, clock())))
    with pytest.raises(Unavailable) as busy:
        transport(sandbox.census.url).get(RUN)
    assert busy.value.retry_after == pytest.approx(wait, abs=2)


@pytest.mark.parametrize("send", [Transport.get, Transport.post])
def test_where_nobody_listens_nothing_was_done(send):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    with pytest.raises(Unavailable, match="no connection"):
        send(transport(url), TRIGGER)


@pytest.mark.parametrize(
    ("send", "error"), [(Transport.get, Unavailable), (Transport.post, Unanswered)]
)
def test_a_tls_failure_is_told_as_one(sandbox, send, error):
    plain = sandbox.census.url.replace("http:", "https:")
    with pytest.raises(error, match=r"no trusted TLS connection to "):
        send(transport(plain), TRIGGER)


def _spoilt(member):
    """A gzip member whose content is no stream."""
    return member[:10] + b"\xff" * (len(member) - 10)


class TestADownload:
    """Over a server of its own, that answers with the bytes it was given."""

    @pytest.fixture(name="served")
    def _served(self):
        """Serve these pieces as one response, so fast: `served(*pieces) -> transport`."""
        with contextlib.ExitStack() as open_servers:

            def serve(*pieces, headers="", pause=0.0, **limits):
                url = open_servers.enter_context(_serving(pieces, headers, pause))
                return transport(url, limits=Limits(**limits), read_seconds=2)

            yield serve

    def test_is_on_disk_while_it_is_open(self, served):
        with served(b"a" * 100_000, b"b" * 100_000).download("/x") as download:
            assert download.ok
            assert bytes(download.content[99_999:100_001]) == b"ab"

    def test_of_nothing_is_empty(self, served):
        with served().download("/x") as download:
            assert bytes(download.content) == b""

    def test_is_inflated(self, served):
        content = b"so it is written " * 10_000
        gzipped = served(gzip.compress(content), headers=GZIPPED)
        with gzipped.download("/x") as download:
            assert bytes(download.content) == content

    @pytest.mark.parametrize(
        ("pieces", "headers", "content"),
        [
            ([gzip.compress(b"a") + gzip.compress(b"b")], GZIPPED, b"ab"),
            ([gzip.compress(b"a"), gzip.compress(b"b")], GZIPPED, b"ab"),
            ([gzip.compress(b"a") + b"\0\0 what tar leaves"], GZIPPED, b"a"),
            ([gzip.compress(b"a") + b"\x1f"], GZIPPED, b"a"),
            ([gzip.compress(b"a") + b"\x1f\x8b\x08"], GZIPPED, b"a"),
            ([gzip.compress(b"a"), b"\x1f", b"\x8b"], GZIPPED, b"a"),
            ([gzip.compress(b"a"), b"\x1f", b"no member", b"nor this"], GZIPPED, b"a"),
            ([gzip.compress(b"a")], "Content-Encoding: GZIP\r\n", b"a"),
            ([gzip.compress(gzip.compress(b"a"))], "Content-Encoding: gzip, x-gzip\r\n", b"a"),
            ([gzip.compress(zlib.compress(b"a"))], "Content-Encoding: deflate, gzip\r\n", b"a"),
            ([zlib.compress(b"a")], DEFLATED, b"a"),
            ([zlib.compress(b"a")[:1], zlib.compress(b"a")[1:]], DEFLATED, b"a"),
            ([zlib.compress(b"a") + b" and more", b" to come"], DEFLATED, b"a"),
            ([zlib.compress(b"a")[2:-4]], DEFLATED, b"a"),
            ([], DEFLATED, b""),
            ([], GZIPPED, b""),
            ([b"plain"], "Content-Encoding: \r\n", b"plain"),
            ([b"plain"], "Content-Encoding: identity\r\n", b"plain"),
            ([b"plain"], "Content-Encoding: none\r\n", b"plain"),
        ],
    )
    def test_is_read_as_requests_reads_it(self, served, pieces, headers, content):
        with served(*pieces, headers=headers).download("/x") as download:
            assert bytes(download.content) == content

    @pytest.mark.parametrize(
        ("body", "headers", "limits", "error"),
        [
            (b"x" * 5000, "", {"download": 4999}, Rejected),
            (gzip.compress(b"x" * 10**7), GZIPPED, {"download": 10**6}, Rejected),
            (gzip.compress(os.urandom(5000)), GZIPPED, {"compressed": 999}, Rejected),
            (gzip.compress(b"x" * 9999)[:-9], GZIPPED, {}, Unavailable),
            (gzip.compress(b"x") + gzip.compress(b"y" * 9999)[:-9], GZIPPED, {}, Unavailable),
            (gzip.compress(b"x") + _spoilt(gzip.compress(b"y")), GZIPPED, {}, Unavailable),
            (zlib.compress(b"x" * 9999)[:-9], DEFLATED, {}, Unavailable),
            (zlib.compress(b"x")[:1], DEFLATED, {}, Unavailable),
            (zlib.compress(b"x" * 10**7), DEFLATED, {"download": 10**6}, Rejected),
            (b"x", f"Content-Encoding: {', '.join(['gzip'] * 6)}\r\n", {}, Unavailable),
            (b"no gzip at all", GZIPPED, {}, Unavailable),
            (b"short", "Content-Length: 99\r\n", {}, Unavailable),
        ],
        ids=[
            *("large", "a bomb", "large on the wire", "cut off", "a member cut off"),
            *("a member spoilt", "a stream cut off", "a header cut off", "a bomb of deflate"),
            *("compressed six times", "no gzip", "shorter than output"),
        ],
    )
    def test_that_is_not_as_it_should_be_is_an_error(self, served, body, headers, limits, error):
        with pytest.raises(error), served(body, headers=headers, **limits).download("/x"):
            pass

    @pytest.mark.parametrize(
        ("first", "headers"),
        [(b"", ""), (gzip.compress(b"a") + b"\0", GZIPPED), (zlib.compress(b"a"), DEFLATED)],
        ids=["plain", "gzip", "deflate"],
    )
    def test_that_drips_for_ever_is_ended(self, served, first, headers):
        began = time.monotonic()
        pieces = (first, *[b"x"] * 100)
        dripping = served(*pieces, headers=headers, pause=0.05, download_seconds=0.4)
        with pytest.raises(Unavailable, match="took over"), dripping.download("/x"):
            pass
        assert time.monotonic() - began < 3


@contextlib.contextmanager
def _serving(pieces, headers, pause, head="HTTP/1.1 200 OK"):
    def serve():
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.recv(10_000)
            connection.sendall(f"{head}\r\nConnection: close\r\n{headers}\r\n".encode())
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(pause)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


@pytest.mark.parametrize("zone", ["GMT", "UTC", "+0000", "-0000", ""])
def test_the_time_over_there_is_utc_however_its_zone_is_written(zone):
    date = f"Date: Thu, 26 Nov 2026 10:00:00 {zone}\r\n"
    with _serving([b"{}"], date, 0) as url:
        answer = transport(url, read_seconds=2).get("/x")
    assert answer.vendor_now == datetime(2026, 11, 26, 10, tzinfo=UTC)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_redirect_is_not_followed_and_names_the_setting_to_change(code, method):
    """Of where it leads only the host: the rest may hold a token."""
    head = f"HTTP/1.1 {code} Elsewhere\r\nLocation: https://login.example.com/x?token=s3cr3t"
    with (
        _serving([], "", 0, head=head) as url,
        pytest.raises(
            Rejected, match=r"redirected to login.example.com.* is CENSUS_URL right"
        ) as exc,
    ):
        getattr(transport(url, read_seconds=2), method)("/x")
    assert "s3cr3t" not in str(exc.value)


@pytest.mark.parametrize("code", [302, 303, 307])
@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("location", ["http://[::1/x", "http://a]b/", "//[", "http://x:port/", ""])
def test_a_redirect_to_an_address_that_is_none_is_told_too(code, method, location):
    head = f"HTTP/1.1 {code} Elsewhere\r\nLocation: {location}"
    with (
        _serving([], "", 0, head=head) as url,
        pytest.raises(Rejected, match=r"redirected to .* is CENSUS_URL right"),
    ):
        getattr(transport(url, read_seconds=2), method)("/x")


@pytest.mark.parametrize("code", [300, 302, 304, 307])
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_redirect_without_an_address_names_the_setting_too(code, method):
    with (
        _serving([], "", 0, head=f"HTTP/1.1 {code} Elsewhere") as url,
        pytest.raises(Rejected, match=r"the response does not contain.* is CENSUS_URL right"),
    ):
        getattr(transport(url, read_seconds=2), method)("/x")


def test_the_body_of_a_redirect_is_not_taken():
    """It could be without end, and no limit holds for what nobody reads."""
    head = "HTTP/1.1 302 Elsewhere\r\nLocation: https://login.example.com/"
    began = time.monotonic()
    with _serving([b"x"] * 20, "", 0.2, head=head) as url:
        with pytest.raises(Rejected):
            transport(url, read_seconds=2).get("/x")
        assert time.monotonic() - began < 2


@pytest.mark.parametrize("zone", ["GMT", "-0000", "+0000", ""])
def test_the_time_over_there_is_utc_where_it_names_no_zone(zone):
    headers = f"Content-Length: 0\r\nDate: Sun, 01 Nov 2026 12:00:00 {zone}\r\n"
    with _serving([], headers, 0) as url:
        answer = transport(url, read_seconds=2).get("/x")
    assert answer.vendor_now == datetime(2026, 11, 1, 12, tzinfo=UTC)


def test_the_host_of_a_redirect_can_be_printed():
    head = "HTTP/1.1 302 Elsewhere\r\nLocation: https://login\x9b.example.com/"
    with _serving([], "", 0, head=head) as url, pytest.raises(Rejected) as exc:
        transport(url, read_seconds=2).get("/x")
    assert printable(str(exc.value)) == str(exc.value)


def test_an_answer_that_never_ends_is_cut_off(sandbox):
    sandbox.census.fail_next(RUN, Body(b"x" * 5000))
    with pytest.raises(Rejected, match="more than 1000 bytes"):
        transport(sandbox.census.url, limits=Limits(answer=1000)).get(RUN)


def test_the_token_goes_as_bearer_whatever_netrc_says(monkeypatch, tmp_path, sandbox):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    assert transport(sandbox.census.url).get(RUN).ok


@pytest.mark.parametrize("fault", [HangUp(), Delay(2), Status(500), TruncatedBody()])
def test_no_error_tells_the_token(sandbox, fault):
    sandbox.census.fail_next(TRIGGER, fault)
    with pytest.raises(Unanswered) as lost:
        transport(sandbox.census.url).post(TRIGGER)
    output = f"{lost.value!r} {lost.value} {lost.value.__context__!r} {lost.value.__cause__!r}"
    assert story.CENSUS_API_KEY not in output
    assert lost.value.__context__ is None or lost.value.__suppress_context__


def test_it_may_be_used_by_several_threads(census):
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(census.get(RUN).ok)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [True] * 8
