"""Hooks of gunicorn's master process: settings, the database, the listening sockets."""

import gc
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from relay import logs
from relay.errors import DatabaseUnavailable
from relay.postgres.migrate import migrate
from relay.postgres.server import server_of
from relay.settings import WebSettings
from relay.terminal import ended_by_signals, exit_on_error, settings_or_exit
from relay.web.metrics import EXTENSION

SILENT_SECONDS = 10  # from a connection's start to its first bytes
SEND_BUFFER = 2**16  # bytes that the kernel buffers, so that no thread waits for a client

SETTINGS = settings_or_exit(WebSettings)
logs.configure(SETTINGS)
logs.log_misspelled_variables(SETTINGS)
_server = server_of(SETTINGS)
log = logs.get_logger()


def on_starting(arbiter: Any) -> None:
    """Start and migrate the database; if it is unavailable, web starts and responds with 503."""
    if arbiter.cfg.is_ssl:
        raise SystemExit(
            "relay's web does not support TLS: remove certfile and keyfile, and use a proxy for TLS"
        )
    with ended_by_signals(), _server_left_when_ended(), exit_on_error():
        try:
            _server.join()
            migrate(_server)
        except DatabaseUnavailable as exc:
            log.error("database.unavailable", problem=str(exc))


@contextmanager
def _server_left_when_ended() -> Iterator[None]:
    """Leave the server if a signal ends the start: gunicorn calls `on_exit` only later."""
    try:
        yield
    except SystemExit:
        _server.leave()
        raise


def when_ready(arbiter: Any) -> None:
    """Set options on the listening sockets: each connection inherits them. Share memory."""
    gc.collect()
    gc.freeze()  # otherwise a worker's first collection writes to, and so copies, what it inherits
    for listener in arbiter.LISTENERS:
        sock = listener.sock
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        if sys.platform == "linux" and sock.family != socket.AF_UNIX:
            # Accept a connection only when its first bytes have arrived.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, SILENT_SECONDS)


def worker_exit(arbiter: Any, worker: Any) -> None:
    """Add to the database what only this process has counted."""
    if (app := getattr(worker, "wsgi", None)) is not None:  # it may have stopped while it started
        app.extensions[EXTENSION].close()


def on_exit(arbiter: Any) -> None:
    """Stop relay's own database if web was the last to use it; its folder may be gone."""
    try:
        _server.leave()
    except DatabaseUnavailable as exc:
        log.error("database.unavailable", problem=str(exc))
