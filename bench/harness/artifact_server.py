"""Serves artifacts from files, in a separate process, with gzip as dbt Cloud does.

Paths begin with `/gzip/…`, for clients that accept it, or `/identity/…`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path

from harness.processes import child


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The server's URL. `URL/gzip/NAME/…` is the file NAME.gz, `URL/identity/NAME/…` is NAME."""
    with child(_serve, folder) as server:
        yield f"http://127.0.0.1:{server.recv()}"


def _serve(parent: Connection, folder: Path) -> None:
    class Handler(_Handler):
        home = folder

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        parent.send(server.server_port)
        server.serve_forever()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    home: Path

    def do_GET(self) -> None:
        encoding, name = self.path.split("/")[1:3]
        is_gzip = encoding == "gzip" and "gzip" in self.headers.get("Accept-Encoding", "")
        path = self.home / (f"{name}.gz" if is_gzip else name)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(path.stat().st_size))
        if is_gzip:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.flush()
        with path.open("rb") as file:
            self.connection.sendfile(file)

    def log_message(self, *_: object) -> None:
        """Log nothing."""
