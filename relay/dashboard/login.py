"""Logging in with a token and a name, and out."""

from math import ceil

from flask import Blueprint, Response, make_response, redirect, render_template, request, session
from werkzeug.wrappers import Response as AnyResponse

from relay.dashboard.access import LONGEST_NAME, Access
from relay.dashboard.protection import local_path
from relay.dashboard.throttle import Throttle
from relay.logs import get_logger
from relay.notation import short_message

log = get_logger()


def add_login(dashboard: Blueprint, access: Access, throttle: Throttle) -> None:
    """Add the routes of login and logout."""

    @dashboard.get("/login", endpoint="show_login")
    def show_login() -> Response:
        return _form(200)

    @dashboard.post("/login", endpoint="log_in")
    def log_in() -> AnyResponse:
        if (wait := throttle.wait()) is not None:
            response = _form(429, f"Too many wrong tokens: try again in {ceil(wait)} seconds.")
            response.headers["Retry-After"] = str(ceil(wait))
            return response
        name = short_message(request.form.get("name", ""))[:LONGEST_NAME]
        if not name:
            return _form(400, "Your name is needed: it is written beside what you do.")
        token = request.form.get("token", "").strip()
        role = access.role_of(token.encode())
        if role is None:
            throttle.wrong_token()
            log.warning("admin.refused", name=name)
            return _form(403, "This is not the token.")
        if token in request.form["name"]:
            return _form(400, "This is the token, not your name: everybody would see it.")
        access.open_session(session, role, name)
        session.permanent = True  # it ends after SESSION_LASTS
        log.info("admin.logged_in", name=name, role=role.value)
        return redirect(f"{request.script_root}{local_path(request.form.get('next'))}", 303)

    @dashboard.post("/logout", endpoint="log_out")
    def log_out() -> AnyResponse:
        session.clear()
        return redirect(f"{request.script_root}/login", 303)


def _form(code: int, problem: str | None = None) -> Response:
    given = request.form if request.method == "POST" else request.args
    page = render_template(
        "login.html",
        problem=problem,
        going_to=local_path(given.get("next")),
        name=short_message(given.get("name", ""))[:LONGEST_NAME],
    )
    return make_response(page, code)
