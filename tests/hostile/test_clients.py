"""Attacks on web's sockets: a genuine delivery is answered in time through all of them."""

import contextlib
import itertools
import json
import socket
import sys
import time

import psutil
import pytest
from crash.stage import CHECKOUT, kill_server

from hostile.attackers import (
    HEALTHZ,
    MEBIBYTE,
    SLOW,
    Drip,
    Regular,
    answers_of,
    ask,
    clients_that_read_nothing,
    connect,
    crowd,
    delivery,
    head,
    received,
    send_bodies,
    send_single_bytes,
)
from relay.sandbox import story
from relay.web.gunicorn_worker import REQUEST_SECONDS

LARGE_AT_ONCE = 4  # as the documents say

WEB = (sys.executable, "-m", "relay.web", "-c", "python:relay.web.gunicorn_conf")
ANSWERED_WITHIN = 5.0  # seconds: the contract's
NUMBERS = itertools.count(story.FIRST_DBT_RUN_ID)


class Web:
    """A web, and genuine deliveries for it."""

    def __init__(self, stage, process):
        self._stage, self.process, self.port = stage, process, int(process.port)

    def genuine(self):
        return delivery(self._stage.event(next(NUMBERS)))

    def deliveries(self):
        """A client that delivers again and again while the block runs."""
        return Regular(self.port, iter(self.genuine, None), expected=202)

    def health(self):
        return Regular(self.port, itertools.repeat(HEALTHZ), expected=200)

    def workers(self):
        return psutil.Process(self.process.pid).children()

    def cpu(self):
        return sum(sum(each.cpu_times()[:2]) for each in self.workers())

    def memory(self):
        return max(each.memory_info().rss for each in self.workers())

    def tracebacks(self):
        """The lines with one, and what else is no log line."""
        return [line for line in self.process.lines if "exception" in line] + (
            self.process.stderr.splitlines()
        )


@contextlib.contextmanager
def new_web(new_stage, **settings):
    with new_stage() as stage:
        process = stage.start("web", *WEB, **settings)
        stage.wait_until(lambda: process.answers("/healthz"), "web")
        yield Web(stage, process)


@pytest.fixture(name="web", scope="module")
def _web(new_stage):
    with new_web(new_stage) as web:
        yield web
        assert web.tracebacks() == []


def assert_served(client, at_least):
    """It was answered as it should be, always, and in time."""
    assert client.others == []
    assert len(client.seconds) >= at_least
    assert max(client.seconds) < ANSWERED_WITHIN


class TestClientsThatLeaveTheirSideOpen:
    def test_keep_nobody_waiting(self, web):
        """gthread: two seconds for each of them, in its main loop."""
        with web.deliveries() as deliveries, crowd(web.port, HEALTHZ, 30):
            time.sleep(3)
        assert_served(deliveries, at_least=3)

    def test_are_hung_up_on(self, web):
        began = time.monotonic()
        with connect(web.port, HEALTHZ) as sock:
            assert answers_of(received(sock)) == [200]
            with contextlib.suppress(ConnectionError):
                while time.monotonic() < began + 2 * ANSWERED_WITHIN:
                    sock.send(b"x")
                    time.sleep(0.05)
        assert time.monotonic() - began < ANSWERED_WITHIN


@pytest.fixture(name="siege", scope="module")
def _siege(web):
    beginnings = [beginning for beginning in SLOW.values() for _ in range(75)]
    with (
        web.deliveries() as deliveries,
        web.health() as health,
        crowd(web.port, SLOW["a head"], 30) as silent,
        Drip(web.port, beginnings, seconds_between=1) as drip,
    ):
        time.sleep(REQUEST_SECONDS + 3)
        output = [answers_of(received(sock)) for sock in silent]
    return {"deliveries": deliveries, "health": health, "silent": output, "drip": drip}


class TestSlowClients:
    """More of them than there are threads; each of gthread's reads has ten seconds of its own."""

    def test_keep_no_delivery_waiting(self, siege):
        assert_served(siege["deliveries"], at_least=20)

    def test_do_not_stop_health_answers(self, siege):
        assert_served(siege["health"], at_least=20)

    def test_are_told_after_ten_seconds_for_the_whole_request(self, siege):
        drip = siege["drip"]
        assert len(drip.answered) == 75 * len(SLOW)
        assert {tuple(answers_of(output)) for output, _ in drip.answered.values()} == {(408,)}
        assert max(seconds for _, seconds in drip.answered.values()) < REQUEST_SECONDS + 5

    def test_are_told_too_if_they_send_nothing_more(self, siege):
        assert siege["silent"] == [[408]] * 30

    def test_do_not_fill_the_log(self, web, siege):
        lines = web.process.logged("clients.refused")
        assert 1 <= len(lines) <= 2
        assert sum(line["reasons"].get("too_slow", 0) for line in lines) > 0


class TestUnsignedRequests:
    @pytest.mark.parametrize(
        ("signature", "reason"),
        [(None, "no_signature"), ("Bearer abc", "malformed_signature")],
        ids=["no", "no well-formed"],
    )
    @pytest.mark.parametrize(
        "framing", [f"Content-Length: {MEBIBYTE}", "Transfer-Encoding: chunked"]
    )
    def test_are_refused_before_their_body_comes(self, web, signature, reason, framing):
        began = time.monotonic()
        with connect(web.port, head(framing, signature=signature)) as sock:
            answer = received(sock)
        assert answers_of(answer) == [401]
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["reason"] == reason
        assert time.monotonic() - began < ANSWERED_WITHIN

    def test_get_their_answer_though_they_send_all_of_the_body_first(self, web):
        body = b"x" * MEBIBYTE
        with connect(web.port, head(f"Content-Length: {len(body)}", signature=None)) as sock:
            for at in range(0, len(body), 2**14):
                sock.sendall(body[at : at + 2**14])
                time.sleep(0.005)  # the answer and the end come in the middle of it
            assert answers_of(received(sock)) == [401]

    def test_with_a_short_body_do_not_cost_a_proxy_its_connection(self, web):
        unsigned = head("Content-Length: 2", signature=None) + b"{}"
        with connect(web.port, unsigned + web.genuine() + HEALTHZ) as sock:
            assert answers_of(received(sock)) == [401, 202, 200]


class TestLargeBodies:
    def test_in_single_bytes_cost_little(self, web):
        """gthread: 4 s of CPU."""
        before = web.cpu()
        assert send_single_bytes(web.port) in (400, None)  # it may be hung up on before it reads
        assert web.cpu() - before < 1

    def test_in_few_chunks_are_read(self, web):
        chunk = b"400\r\n" + b"x" * 1024 + b"\r\n"
        with connect(
            web.port, head("Transfer-Encoding: chunked") + chunk * 1024 + b"0\r\n\r\n" + HEALTHZ
        ) as sock:
            assert answers_of(received(sock)) == [401, 200]

    def test_at_once_take_no_memory_for_good(self, web):
        """gthread: from 48 to 750 MB."""
        send_bodies(web.port, 8)
        before = web.memory()
        with web.deliveries() as deliveries:
            statuses = send_bodies(web.port, 250)
        assert_served(deliveries, at_least=2)
        assert set(statuses) <= {401, 503}
        assert web.memory() - before < 30 * MEBIBYTE

    def test_are_received_four_at_a_time(self, web):
        """All stop half-way; those that were never read get the reason that it was too full."""
        half = head(f"Content-Length: {MEBIBYTE}") + b"x" * (MEBIBYTE // 2)
        with web.deliveries() as deliveries, crowd(web.port, b"", 7) as clients:
            for sock in clients:
                sock.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    sock.send(half)
                sock.settimeout(2 * REQUEST_SECONDS)
            statuses = [status for sock in clients for status in answers_of(received(sock))]
        assert_served(deliveries, at_least=2)
        assert sorted(statuses) == [408] * LARGE_AT_ONCE + [503] * (7 - LARGE_AT_ONCE)


MALFORMED = {
    "a chunk size that is none": head("Transfer-Encoding: chunked") + b"nonsense\r\n",
    "a negative chunk size": head("Transfer-Encoding: chunked") + b"-5\r\n12345\r\n0\r\n\r\n",
    "a chunk that goes on": head("Transfer-Encoding: chunked") + b"2\r\nabc\r\n0\r\n\r\n",
    "a chunk's endless line": head("Transfer-Encoding: chunked") + b"1;" + b"x" * 10_000,
    "a chunk size of thousands of digits": head("Transfer-Encoding: chunked")
    + b"f" * 4000
    + b"\r\nxx",
    "a forbidden trailer": head("Transfer-Encoding: chunked")
    + b"1\r\nx\r\n0\r\nContent-Length: 3\r\n\r\n",
    "a malformed trailer": head("Transfer-Encoding: chunked") + b"1\r\nx\r\n0\r\nno colon\r\n\r\n",
    "a negative length": head("Content-Length: -1"),
    "two lengths": head("Content-Length: 2", "Content-Length: 3") + b"{}",
    "a length and chunks": head("Content-Length: 2", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
}


class TestMalformedRequests:
    @pytest.mark.parametrize("request_", MALFORMED.values(), ids=MALFORMED)
    def test_are_refused_with_400_and_a_log_line_at_most(self, web, request_):
        before = len(web.process.lines)
        with connect(web.port, request_) as sock:
            assert answers_of(received(sock)) == [400]
        assert len(web.process.lines) - before <= 1

    def test_with_an_endless_head_are_refused(self, web):
        with connect(web.port, SLOW["a head"] + b"x" * 2**16) as sock:
            assert answers_of(received(sock)) == [431]


class TestClientsThatAreWithinTheirRights:
    def test_may_send_several_requests_at_once(self, web):
        with connect(web.port, web.genuine() * 2 + web.genuine() + HEALTHZ) as sock:
            assert answers_of(received(sock)) == [202, 202, 202, 200]

    def test_may_send_a_request_in_single_bytes(self, web):
        with connect(web.port) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in web.genuine() + HEALTHZ:
                sock.sendall(bytes([byte]))
            assert answers_of(received(sock)) == [202, 200]

    def test_may_wait_to_be_asked_for_the_body(self, web):
        beginning, _, body = web.genuine().partition(b"\r\n\r\n")
        with connect(web.port, beginning + b"\r\nExpect: 100-continue\r\n\r\n") as sock:
            assert sock.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
            sock.sendall(body + HEALTHZ)
            assert answers_of(received(sock)) == [202, 200]

    def test_are_not_asked_for_a_body_that_nobody_wants(self, web):
        expecting = head("Content-Length: 2", "Expect: 100-continue", signature=None)
        with connect(web.port, expecting) as sock:
            assert answers_of(received(sock)) == [401]

    def test_get_their_answer_when_web_stops(self, new_stage):
        with new_web(new_stage) as web:
            genuine = web.genuine()
            with (
                connect(web.port, genuine[:-1]) as under_way,
                connect(web.port, genuine) as idle,
            ):
                answer = idle.recv(2**16)
                while not answer.endswith(b"}"):
                    answer += idle.recv(2**16)
                assert answers_of(answer) == [202]
                began = time.monotonic()
                web.process.terminate()
                time.sleep(0.5)
                under_way.sendall(genuine[-1:])
                assert answers_of(received(under_way)) == [202]
                assert received(idle) == b""
            assert web.process.wait() == 0
            assert time.monotonic() - began < 15


class TestClientsThatReadNothing:
    def test_keep_nobody_waiting(self, new_stage):
        """gthread: a thread for each of them, until it reads."""
        with (
            new_web(new_stage, GUNICORN_CMD_ARGS="--threads 8") as web,
            clients_that_read_nothing(web.port, 20),
        ):
            time.sleep(1)
            assert ask(web.port, web.genuine()) == 202


class TestTooManyClients:
    def test_the_ones_waited_for_longest_make_room(self, new_stage):
        few = "--worker-connections 50 --threads 8"
        with new_web(new_stage, GUNICORN_CMD_ARGS=few) as web, web.deliveries() as deliveries:
            with crowd(web.port, HEALTHZ.replace(b"close", b"keep-alive"), 60):
                time.sleep(1)
            with crowd(web.port, SLOW["a head"], 200):
                time.sleep(1)
            time.sleep(1)
            assert web.process.logged("clients.refused")[0]["reasons"]["crowded_out"] > 0
        assert_served(deliveries, at_least=3)

    @pytest.mark.skipif(sys.platform != "linux", reason="no other system limits another process")
    def test_no_worker_dies_of_too_many_open_files(self, new_stage):
        with new_web(new_stage) as web:
            ask(web.port, web.genuine())
            (worker,) = web.workers()
            worker.rlimit(psutil.RLIMIT_NOFILE, (60, 60))
            with web.deliveries() as deliveries, crowd(web.port, SLOW["a head"], 200):
                time.sleep(2)
            assert web.workers() == [worker]
            assert web.tracebacks() == []
        assert_served(deliveries, at_least=3)

    def test_leave_file_descriptors_for_the_database(self, new_stage):
        """At the default limit of macOS."""
        with new_stage() as stage:
            process = stage.start("web", "sh", "-c", 'ulimit -n 256; exec "$@"', "sh", *WEB)
            stage.wait_until(lambda: process.answers("/healthz"), "web")
            web = Web(stage, process)
            with crowd(web.port, SLOW["a head"], 400):
                kill_server(stage.data_dir)
                statuses = [ask(web.port, web.genuine()) for _ in range(4)]
            assert set(statuses) <= {202, 503}
            assert statuses[-1] == 202
            assert web.tracebacks() == []


def test_web_says_that_it_speaks_no_tls(new_stage):
    key = str(CHECKOUT / "LICENSE")  # a file is all that gunicorn looks for
    with new_stage() as stage:
        web = stage.start("web", *WEB, "--certfile", key, "--keyfile", key)
        assert web.wait() == 1
        assert web.stderr.startswith("relay's web does not support TLS")
        assert "Traceback" not in web.output
