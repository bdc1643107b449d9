"""What the user's machine is set up for never changes what relay sends, and never learns it."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from relay.operations.send import deliver
from relay.secret import Secret
from relay.vendors.session import Session, bearer

SIGNATURE = Secret("a-signature-0123456789")


class Server(ThreadingHTTPServer):
    """Answers everything with 202 and a cookie, and notes what it was asked."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen = []
        self.port = self.server_address[1]


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.seen.append((self.path, dict(self.headers)))
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(202)
        self.send_header("Set-Cookie", "seen=yes; Path=/")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_):
        pass


def serving():
    with Server() as server:
        threading.Thread(target=server.serve_forever).start()
        yield server
        server.shutdown()


@pytest.fixture(name="server")
def _server():
    yield from serving()


@pytest.fixture(name="proxy")
def _proxy(monkeypatch):
    """The user's proxy, for everything."""
    for server in serving():
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{server.port}")
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        yield server


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_loopback_is_reached_without_a_proxy(server, proxy, host):
    with Session(bearer(Secret("a-token"))) as session:
        assert session.get(f"http://{host}:{server.port}/", timeout=5).status_code == 202
    assert proxy.seen == []
    assert len(server.seen) == 1


@pytest.mark.usefixtures("proxy")
def test_so_is_one_that_a_delivery_is_sent_to(server):
    assert deliver(b"{}", f"http://localhost:{server.port}/webhooks/dbt", SIGNATURE).accepted
    assert len(server.seen) == 1


def test_another_host_is_reached_through_it(proxy):
    with Session() as session:
        session.get("http://vendor.invalid/api", timeout=5)
    assert [path for path, _ in proxy.seen] == ["http://vendor.invalid/api"]


def test_unless_the_user_says_not_to(server, proxy, monkeypatch):
    monkeypatch.setenv("no_proxy", "vendor.invalid")
    with Session() as session, pytest.raises(OSError, match=r"vendor\.invalid"):
        session.get(f"http://vendor.invalid:{server.port}/", timeout=5)
    assert proxy.seen == []


def test_a_netrc_replaces_no_signature(server, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("default login someone password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    deliver(b"{}", f"http://127.0.0.1:{server.port}/webhooks/dbt", Secret("a-webhook-secret"))
    with Session() as session:
        session.get(f"http://127.0.0.1:{server.port}/", timeout=5)
    signed, plain = (headers.get("Authorization") for _, headers in server.seen)
    assert len(signed) == 64
    assert plain is None


def test_no_cookie_is_kept(server):
    with Session() as session:
        for _ in range(2):
            session.get(f"http://127.0.0.1:{server.port}/", timeout=5)
        assert not session.cookies
    assert ["Cookie" in headers for _, headers in server.seen] == [False, False]
