"""`/metrics` of real web processes: after gunicorn's fork, at a stop, and to slow readers."""

import signal
import socket
import time

import psutil
import requests
from mappings import mapping_text, sync_entry
from prometheus_client.parser import text_string_to_metric_families

from relay.sandbox import story
from relay.web.metrics.syncs import MOST_SYNCS

RUN = story.FIRST_DBT_RUN_ID
ACCEPTED = """
SELECT coalesce(sum(value), 0) FROM relay.tallies
WHERE name = 'relay_deliveries_total' AND labels ->> 'status' = 'accepted'
"""
GET = b"GET /metrics HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n\r\n"


def test_two_processes_add_what_they_counted_within_seconds(stage):
    web = stage.web(WEB_CONCURRENCY="2")
    for number in range(10):
        assert web.post(stage.event(RUN + number)).status_code == 202
    stage.wait_until(lambda: stage.sql(ACCEPTED) == [(10,)], "the timer of each process")


def test_a_process_that_stops_adds_what_is_left(stage):
    web = stage.web()
    web.post(stage.event())
    assert stage.sql(ACCEPTED) == [(0,)]
    psutil.Process(web.pid).send_signal(signal.SIGTERM)
    psutil.Process(web.pid).wait(20)
    stage.server.ensure_running()
    assert stage.sql(ACCEPTED) == [(1,)]


class TestALargeAnswer:
    """Larger than what the kernel buffers for a client."""

    def test_is_whole_for_a_client_that_reads_slowly(self, stage):
        web = large(stage)
        with socket.create_connection(("127.0.0.1", web.port)) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**15)
            sock.sendall(GET)
            time.sleep(0.5)
            received = b"".join(iter(lambda: sock.recv(2**14), b""))
        _, _, body = received.partition(b"\r\n\r\n")
        assert is_whole(body.decode())

    def test_is_cut_off_for_those_that_do_not_read_and_others_get_theirs(self, stage):
        web = large(stage)
        silent = [socket.create_connection(("127.0.0.1", web.port)) for _ in range(40)]
        for sock in silent:
            sock.sendall(GET)
        began = time.monotonic()
        assert web.post(stage.event()).status_code == 202
        assert time.monotonic() - began < 5
        stage.wait_until(lambda: gets_it_whole(web), "a whole answer")
        for sock in silent:
            sock.close()


def large(stage):
    """Web, with many syncs."""
    stage.map(mapping_text(*(sync_entry(n + 1, "customers") for n in range(MOST_SYNCS))))
    return stage.web()


def gets_it_whole(web):
    try:
        return is_whole(requests.get(f"http://127.0.0.1:{web.port}/metrics", timeout=20).text)
    except requests.RequestException:
        return False


def is_whole(text):
    families = {each.name: each for each in text_string_to_metric_families(text)}
    return len(families["relay_sync_records"].samples) == 3 * MOST_SYNCS and len(text) > 2**18
