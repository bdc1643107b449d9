"""The web process: verify a delivery, store it, respond. It does nothing else.

It imports no task and no HTTP client, so it starts quickly, stays small, and keeps recording
while the worker is down.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime

import msgspec
from flask import Flask, Response, request
from werkzeug.exceptions import ClientDisconnected, HTTPException, MethodNotAllowed, NotFound

from relay import logs
from relay.clock import Clock, stopwatch, utc_now
from relay.dbt.deliveries import Event, mac_of
from relay.errors import DatabaseUnavailable, NotForUs, NotGenuine
from relay.logs import get_logger
from relay.operations.readiness import Check
from relay.postgres.server import Server, server_of
from relay.settings import DashboardSettings, WebSettings
from relay.store import Delivery
from relay.store.retention import OLDEST_DELIVERY
from relay.web.health import Health
from relay.web.metrics import EXTENSION
from relay.web.metrics.page import MetricsPage
from relay.web.recorder import Recorder
from relay.web.refusals import RefusalLog

WEBHOOK_PATH = "/webhooks/dbt"
LARGEST_BODY = 2**20  # bytes; dbt's own are under 1 kB
REFUSED = "refused"

log = get_logger()


def create_app(
    settings: WebSettings,
    recorder: Recorder,
    health: Health,
    metrics_page: MetricsPage,
    *,
    clock: Clock = utc_now,
) -> Flask:
    """The WSGI application."""
    app = Flask("relay", static_folder=None)
    # Otherwise it redirects `/webhooks//dbt` to a URL built from the Host header.
    app.url_map.merge_slashes = False
    refusals = RefusalLog()
    expected = _Expected(
        secrets=tuple(secret.reveal().encode() for secret in settings.webhook_secrets),
        dbt_account_id=settings.dbt_account_id,
    )

    @app.post(WEBHOOK_PATH)
    def receive() -> Response:
        began = stopwatch()
        outcome = _receive(expected, recorder, refusals, clock())
        metrics_page.deliveries.answered(outcome.status, outcome.reason, stopwatch() - began)
        return outcome.response

    mode: dict[str, object] = {"dry_run": True} if settings.dry_run else {}

    @app.get("/healthz")
    def healthz() -> Response:
        return _answer(200, {"status": "ok", **mode})

    @app.get("/readyz")
    def readyz() -> Response:
        return _readiness(health.check(), mode)

    @app.get("/readyz/deliveries")
    def readyz_deliveries() -> Response:
        return _readiness((health.check_storing(),), mode)

    @app.get("/metrics")
    def metrics() -> Response:
        return metrics_page.answer(request.headers.get("Authorization"))

    @app.errorhandler(HTTPException)
    def refuse(exc: HTTPException) -> Response:
        if isinstance(exc, NotFound) and _is_webhook_path_with_other_slashes(request.path):
            refusals.wrong_path(expected=WEBHOOK_PATH)
            metrics_page.deliveries.answered(REFUSED, "wrong_path", None)
        answer = _answer(exc.code or 500, {"status": REFUSED, "reason": exc.name.lower()})
        if isinstance(exc, MethodNotAllowed) and exc.valid_methods:
            answer.headers["Allow"] = ", ".join(sorted(exc.valid_methods))
        return answer

    app.extensions[EXTENSION] = metrics_page
    return app


def application() -> Flask:
    """The application with the settings of the environment, for gunicorn.

    Raises BadSettings.
    """
    settings = WebSettings.from_environment()
    logs.configure(settings)
    server = server_of(settings)
    health = Health(server, settings)
    page = MetricsPage(server, settings, health)
    app = create_app(settings, Recorder(server), health, page)
    if settings.admin_token is not None:
        _add_dashboard(app, server, settings, health)
    return app


def _add_dashboard(app: Flask, server: Server, settings: WebSettings, health: Health) -> None:
    """Add it; without its token nothing of it is loaded."""
    from relay.dashboard.application import install  # noqa: PLC0415

    install(
        app,
        server,
        settings.extended_to(DashboardSettings),
        health.mapping_now,
        mapping_problems=health.mapping_problems,
    )


@dataclass(frozen=True, slots=True, repr=False)
class _Expected:
    """What a delivery is verified against."""

    secrets: tuple[bytes, ...]
    dbt_account_id: int


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of a delivery, and the response; `reason` is why it was refused or ignored."""

    status: str
    reason: str | None
    response: Response


def _receive(
    expected: _Expected, recorder: Recorder, refusals: RefusalLog, now: datetime
) -> _Outcome:
    signature = request.headers.get("Authorization")
    try:
        mac_of(signature)  # the body of an unsigned request is not read
    except NotGenuine as exc:
        return _refuse(refusals, 401, exc.reason)
    try:
        body = _read_body()
    except (OSError, ClientDisconnected):
        # The client stopped sending. relay's gunicorn worker detects that before it calls this.
        return _refuse(refusals, 408, "body_incomplete")
    if body is None:
        return _refuse(refusals, 413, "body_too_large")
    try:
        event = Event.from_delivery(
            body,
            signature,
            secrets=expected.secrets,
            dbt_account_id=expected.dbt_account_id,
            not_before=now - OLDEST_DELIVERY,
        )
    except NotGenuine as exc:
        return _refuse(refusals, 401, exc.reason)
    except NotForUs as exc:
        return _record_ignored(recorder, body, exc)
    return _record(recorder, body, event)


def _is_webhook_path_with_other_slashes(path: str) -> bool:
    return [part for part in path.split("/") if part] == WEBHOOK_PATH.split("/")[1:]


def _read_body() -> bytes | None:
    """The raw body; None if it is too large. One extra byte shows that a chunked one is."""
    if (request.content_length or 0) > LARGEST_BODY:
        return None
    body = request.stream.read(LARGEST_BODY + 1)
    return body if len(body) <= LARGEST_BODY else None


def _record(recorder: Recorder, body: bytes, event: Event) -> _Outcome:
    delivery = Delivery(
        delivery_id=uuid.uuid4(),
        body=body,
        event_id=event.event_id,
        dbt_account_id=event.dbt_account_id,
        dbt_run_id=event.dbt_run_id,
    )
    try:
        is_new = recorder.record(delivery)
    except DatabaseUnavailable as exc:
        return _not_recorded(exc)
    if not is_new:
        log.info(
            "delivery.repeated",
            event_id=event.event_id,
            dbt_account_id=event.dbt_account_id,
            dbt_run_id=event.dbt_run_id,
        )
        return _acknowledge("duplicate", {"dbt_run_id": event.dbt_run_id})
    delivery_id = str(delivery.delivery_id)
    log.info(
        "delivery.accepted",
        event_id=event.event_id,
        delivery_id=delivery_id,
        dbt_account_id=event.dbt_account_id,
        dbt_run_id=event.dbt_run_id,
    )
    return _acknowledge("accepted", {"delivery_id": delivery_id, "dbt_run_id": event.dbt_run_id})


def _record_ignored(recorder: Recorder, body: bytes, exc: NotForUs) -> _Outcome:
    delivery = Delivery(
        delivery_id=uuid.uuid4(), body=body, event_id=exc.event_id, ignored_because=exc.reason
    )
    try:
        recorder.record(delivery)
    except DatabaseUnavailable as unavailable:
        return _not_recorded(unavailable)
    log.info("delivery.ignored", reason=exc.reason, event_id=exc.event_id)
    return _acknowledge("ignored", {"reason": exc.reason}, reason=exc.reason)


def _acknowledge(status: str, more: dict[str, object], reason: str | None = None) -> _Outcome:
    return _Outcome(status, reason, _answer(202, {"status": status, **more}))


def _refuse(refusals: RefusalLog, code: int, reason: str) -> _Outcome:
    refusals.refused(reason)
    return _Outcome(REFUSED, reason, _answer(code, {"status": REFUSED, "reason": reason}))


def _not_recorded(exc: DatabaseUnavailable) -> _Outcome:
    log.error("delivery.refused", reason="not_recorded", problem=str(exc))
    answer = _answer(503, {"status": REFUSED, "reason": "not_recorded"})
    answer.headers["Retry-After"] = "5"
    return _Outcome("not_recorded", None, answer)


def _readiness(checks: tuple[Check, ...], mode: dict[str, object]) -> Response:
    ready = all(check.is_well for check in checks)
    details = {check.name: check.detail for check in checks}
    status = "ready" if ready else "not_ready"
    return _answer(200 if ready else 503, {"status": status, **mode, "checks": details})


def _answer(code: int, content: dict[str, object]) -> Response:
    return Response(msgspec.json.encode(content), status=code, content_type="application/json")
