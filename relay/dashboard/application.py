"""The dashboard as a part of the web process: its routes, who gets in, and how it answers."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
from flask import (
    Blueprint,
    Flask,
    Request,
    Response,
    abort,
    g,
    redirect,
    render_template,
    request,
    session,
)
from flask import url_for as flask_url_for
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from werkzeug.exceptions import (
    HTTPException,
    LengthRequired,
    RequestEntityTooLarge,
    ServiceUnavailable,
)
from werkzeug.wrappers import Response as AnyResponse

from relay.clock import Clock, stopwatch, utc_now
from relay.dashboard import text
from relay.dashboard.access import Access, Visitor
from relay.dashboard.actions import ACTIONS
from relay.dashboard.database import Database
from relay.dashboard.find import add_find
from relay.dashboard.links import Links
from relay.dashboard.login import add_login
from relay.dashboard.pages import NAVIGATION, PAGES
from relay.dashboard.protection import add_headers, is_cross_site, is_other_host, requested
from relay.dashboard.static_files import StaticFiles
from relay.dashboard.throttle import Throttle
from relay.dashboard.visit import Page, Visit, VisitWith
from relay.decision.mapping import SyncMapping
from relay.errors import DatabaseUnavailable, Problem
from relay.notation import LARGEST_ID
from relay.postgres.server import Server
from relay.settings import DashboardSettings
from relay.store import Store
from relay.store.pages.pages import Pages
from relay.store.transactions import Connections
from relay.tokens import bearer_token

NAME = "dashboard"
NO_PAGES = frozenset({"/webhooks/dbt", "/metrics", "/healthz", "/readyz", "/readyz/deliveries"})
SESSION_LASTS = timedelta(hours=12)
LARGEST_FORM = 2**16  # bytes; the ids of 500 dbt runs are a tenth of it


def install(
    app: Flask,
    server: Server,
    settings: DashboardSettings,
    mapping_now: Callable[[], SyncMapping | None],
    *,
    mapping_problems: Callable[[], tuple[Problem, ...]] = tuple,
    clock: Clock = utc_now,
) -> None:
    """Add the dashboard's routes to the web process.

    `mapping_now` returns the last valid mapping, `mapping_problems` why the file as it is now is
    not it.
    """
    access = Access.of(settings)
    _set_up_session(app, settings, access)
    _serve_below(app, settings)
    dashboard = Blueprint(NAME, __name__, template_folder="templates")
    database = Database(server)

    def visit_with(connections: Connections) -> Visit:
        return Visit(
            visitor=g.visitor,
            store=Store(connections),
            pages=Pages(connections),
            mapping=mapping_now(),
            mapping_problems=mapping_problems(),
            settings=settings,
            query=request.args,
            now=clock(),
        )

    _protect(dashboard, settings, access)
    add_login(dashboard, access, Throttle(stopwatch))
    static = StaticFiles()
    static.add_route(dashboard)
    for page in PAGES:
        _add_page(dashboard, page, database, visit_with)
    add_find(dashboard, database, visit_with)
    for action in ACTIONS:
        action.add_routes(dashboard, database, visit_with)
    _add_errors(dashboard)

    @dashboard.context_processor
    def for_templates() -> dict[str, Any]:
        return {
            "navigation": NAVIGATION,
            "visitor": g.get("visitor"),
            "here": f"{request.script_root}{requested(request)}",
            "now": clock(),
            "links": Links(settings, mapping_now()),
            "text": text,
            "static_url": static.url,
        }

    app.register_blueprint(dashboard)


def _set_up_session(app: Flask, settings: DashboardSettings, access: Access) -> None:
    is_https = (settings.relay_url or "").startswith("https:")
    app.secret_key = access.session_key
    app.session_interface = _Sessions()
    app.config.update(
        # A browser takes a cookie of this name only from this very host, over https.
        SESSION_COOKIE_NAME="__Host-relay" if is_https else "relay",
        SESSION_COOKIE_SECURE=is_https,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_PATH="/",
        SESSION_COOKIE_SAMESITE="Lax",  # with Strict a link in a message would show the login
        PERMANENT_SESSION_LIFETIME=SESSION_LASTS,
        SESSION_REFRESH_EACH_REQUEST=False,
    )


class _Sessions(SecureCookieSessionInterface):
    """Sessions of people; a delivery has none, and costs what it costs without the dashboard."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """The session; None for what is no page."""
        return None if request.path in NO_PAGES else super().open_session(app, request)


def _serve_below(app: Flask, settings: DashboardSettings) -> None:
    """With a path in RELAY_URL, links begin with it; a proxy may have removed it or not."""
    path = "/".join((settings.relay_url or "").split("/")[3:])
    if not path:
        return
    prefix, inner = f"/{path}", app.wsgi_app

    def below(environ: dict[str, Any], start_response: Any) -> Any:
        environ["SCRIPT_NAME"] = prefix
        if f"{environ['PATH_INFO']}/".startswith(f"{prefix}/"):
            environ["PATH_INFO"] = environ["PATH_INFO"].removeprefix(prefix) or "/"
        return inner(environ, start_response)

    app.wsgi_app = below  # type: ignore[method-assign]


def _protect(dashboard: Blueprint, settings: DashboardSettings, access: Access) -> None:
    @dashboard.before_request
    def admit() -> AnyResponse | None:
        if is_other_host(request, settings.relay_url):
            abort(421)
        if is_cross_site(request, settings.relay_url):
            abort(403, "This request comes from another site. Open the page again in relay.")
        request.max_content_length = LARGEST_FORM  # a chunked one, too
        if "Transfer-Encoding" in request.headers:  # its size is not known, and no browser does so
            raise LengthRequired
        if (request.content_length or 0) > LARGEST_FORM:
            raise RequestEntityTooLarge
        g.visitor = _visitor(access)
        if g.visitor is None and request.endpoint not in PUBLIC:
            return _ask_to_log_in()
        if request.method == "POST" and request.endpoint not in PUBLIC and not g.visitor.may_act:
            abort(403, "You have logged in with the viewer token: it allows looking, not acting.")
        return None

    dashboard.after_request(_with_headers)


PUBLIC = frozenset({f"{NAME}.log_in", f"{NAME}.show_login", f"{NAME}.log_out", f"{NAME}.static"})


def _with_headers(response: Response) -> Response:
    return add_headers(response)


def _visitor(access: Access) -> Visitor | None:
    """Who asks. A token alone is for reading data: it does not act.

    A password for a proxy in front of relay, which the browser sends with every request, is no
    token, and does not end a session.
    """
    authorization = request.headers.get("Authorization")
    if bearer_token(authorization) is not None:
        return access.visitor_of_token(authorization) if _wants_json() else None
    return access.visitor_of_session(session)


def _ask_to_log_in() -> AnyResponse:
    if _wants_json():
        response = _json({"problem": "a token is needed: Authorization: Bearer …"}, 401)
        response.headers["WWW-Authenticate"] = "Bearer"
        return response
    if request.headers.get("HX-Request"):  # a part of a page whose session has ended
        return Response(status=401, headers={"HX-Refresh": "true"})
    going_to = requested(request) if request.method == "GET" else None
    return redirect(flask_url_for(f"{NAME}.show_login", next=going_to), 303)


def _wants_json() -> bool:
    return request.path.endswith(".json")


def _add_page(
    dashboard: Blueprint,
    page: Page,
    database: Database,
    visit_with: VisitWith,
) -> None:
    def read(ids: dict[str, Any]) -> tuple[Visit, Any]:
        if any(isinstance(each, int) and each > LARGEST_ID for each in ids.values()):
            abort(404)
        with database.reading() as connections:
            visit = visit_with(connections)
            return visit, page.view(visit, **ids)

    def show(**ids: Any) -> str:
        visit, shown = read(ids)
        return render_template(page.template, page=shown, visit=visit)

    def data(**ids: Any) -> Response:
        return _json(read(ids)[1], 200)

    dashboard.add_url_rule(page.rule, page.name, show)
    dashboard.add_url_rule(page.json_rule, f"{page.name}_json", data)


def _add_errors(dashboard: Blueprint) -> None:
    @dashboard.errorhandler(HTTPException)
    def refuse(exc: HTTPException) -> AnyResponse:
        if exc.response is not None:
            return exc.get_response()
        return _problem(exc.code or 500, exc.name, exc.description or "")

    @dashboard.errorhandler(DatabaseUnavailable)
    def unavailable(exc: DatabaseUnavailable) -> AnyResponse:
        response = _problem(503, ServiceUnavailable().name, str(exc))
        response.headers["Retry-After"] = "2"
        return response


def _problem(code: int, title: str, problem: str) -> Response:
    if _wants_json():
        return _json({"problem": problem or title}, code)
    return Response(render_template("problem.html", title=title, problem=problem), status=code)


def _json(content: Any, code: int) -> Response:
    encoded = msgspec.json.encode(content, enc_hook=str)
    return Response(encoded, status=code, content_type="application/json")
