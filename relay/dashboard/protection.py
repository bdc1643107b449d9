"""What protects the dashboard in a browser: the accepted host, no cross-site requests, headers."""

from urllib.parse import quote, urlsplit

from flask import Request, Response

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
HEADERS = {
    "Content-Security-Policy": "; ".join(map(" ".join, _POLICY.items())),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
NOT_STORED = "no-store"


def is_other_host(request: Request, relay_url: str | None) -> bool:
    """Whether it was sent to another host than RELAY_URL's; never if that is not set."""
    return relay_url is not None and _host_of(relay_url) != _host_of(f"//{request.host}")


def is_cross_site(request: Request, relay_url: str | None) -> bool:
    """Whether another site had the browser send it, and it may change something.

    Browsers say so in Sec-Fetch-Site, older ones only in Origin; a client that is no browser sends
    neither, and has no session that a site could use.
    """
    if request.method in SAFE_METHODS:
        return False
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("Origin")
    if origin is None:
        return False
    own = _host_of(relay_url or f"//{request.host}")
    return _host_of(origin) != own


def add_headers(response: Response) -> Response:
    """Add the headers of every page; a page is not stored, unless it says otherwise."""
    for name, value in HEADERS.items():
        response.headers[name] = value
    response.headers.setdefault("Cache-Control", NOT_STORED)
    return response


def requested(request: Request) -> str:
    """The path and query that were asked for, below that of RELAY_URL, as in a URL.

    `Request.full_path` is decoded: a `?` of a workspace's name would begin the query.
    """
    query = request.query_string.decode(errors="replace")
    return quote(request.path, safe="/:@!$&'()*+,;=~") + (f"?{query}" if query else "")


def local_path(target: str | None) -> str:
    """A path of relay's own to go on to after the login; `/` for anything else."""
    if not target or not target.startswith("/") or target[1:2] in ("/", "\\"):
        return "/"
    if not target.isprintable() or "\\" in target:
        return "/"
    return target


def _host_of(url: str) -> tuple[str | None, int | None]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None, None
    default = {"https": 443, "http": 80}.get(parts.scheme)
    return parts.hostname, None if port in (default, 80, 443) else port
