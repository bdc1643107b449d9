"""The stylesheet and scripts, under names that change with their content."""

import hashlib
from importlib.resources import files

from flask import Blueprint, Response, abort, url_for

_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
FOREVER = "public, max-age=31536000, immutable"


class StaticFiles:
    """The files of `static/`, read once."""

    def __init__(self) -> None:
        folder = files("relay.dashboard") / "static"
        self._contents = {
            file.name: file.read_bytes()
            for file in folder.iterdir()
            if file.name.rpartition(".")[2] in _TYPES
        }
        self._digests = {
            name: hashlib.sha256(content).hexdigest()[:16]
            for name, content in self._contents.items()
        }

    def add_route(self, dashboard: Blueprint) -> None:
        """Add the route; it is the same for everybody."""

        @dashboard.get("/static/<digest>/<name>", endpoint="static")
        def static(digest: str, name: str) -> Response:
            if self._digests.get(name) != digest:
                abort(404)
            response = Response(self._contents[name], content_type=_TYPES[name.rpartition(".")[2]])
            response.headers["Cache-Control"] = FOREVER
            return response

    def url(self, name: str) -> str:
        """The URL of a file, for templates."""
        return url_for("dashboard.static", digest=self._digests[name], name=name)
