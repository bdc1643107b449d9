"""Receivers of relay's messages: Slack, Teams, PagerDuty and a signed webhook.

They refuse what the vendor refuses (`channel_checks`), and keep what they took.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import abort, request
from werkzeug.wrappers import Response

from relay.clock import Clock, utc_now
from relay.sandbox import channel_checks
from relay.sandbox.channel_checks import Refused
from relay.sandbox.wire import KEPT_REQUESTS, Simulator, as_json

# Not secret: they are valid only here.
SLACK_PATH = "/services/T0SANDBOX/B0SANDBOX/slackSandboxToken4relays"
TEAMS_PATH = "/workflows/0f5sandbox/triggers/manual/paths/invoke"
TEAMS_SIGNATURE = "teamsSandboxSignature4relay"
TEAMS_QUERY = f"api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig={TEAMS_SIGNATURE}"
PAGERDUTY_KEY = "0sandboxsandboxsandboxsandboxsan"
WEBHOOK_KEY = "whsec_c2FuZGJveCBrZXkgb2YgcmVsYXkncyB3ZWJob29rcyE="

# What a mapping file needs for them.
MAPPING = """\
notify:
  slack: {kind: slack, url_env: RELAY_NOTIFY_SLACK}
  teams: {kind: teams, url_env: RELAY_NOTIFY_TEAMS}
  pagerduty:
    kind: pagerduty
    key_env: RELAY_NOTIFY_PAGERDUTY_KEY
    url_env: RELAY_NOTIFY_PAGERDUTY_URL
  webhook: {kind: webhook, url_env: RELAY_NOTIFY_WEBHOOK, key_env: RELAY_NOTIFY_WEBHOOK_KEY}
"""


@dataclass(frozen=True, slots=True)
class Received:
    """A message that a receiver took: its kind, as in the mapping file, and its body."""

    kind: str
    at: datetime
    body: Any


class SandboxChannels(Simulator):
    """The four receivers, on one port."""

    def __init__(self, *, clock: Clock = utc_now) -> None:
        super().__init__(clock)
        self._received: deque[Received] = deque(maxlen=KEPT_REQUESTS)
        self._add_routes()

    @property
    def received(self) -> list[Received]:
        """The newest KEPT_REQUESTS messages that were taken, oldest first."""
        with self._lock:
            return list(self._received)

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a channel of each kind."""
        return {
            "RELAY_NOTIFY_SLACK": f"{self.url}{SLACK_PATH}",
            "RELAY_NOTIFY_TEAMS": f"{self.url}{TEAMS_PATH}?{TEAMS_QUERY}",
            "RELAY_NOTIFY_PAGERDUTY_KEY": PAGERDUTY_KEY,
            "RELAY_NOTIFY_PAGERDUTY_URL": self.url,
            "RELAY_NOTIFY_WEBHOOK": f"{self.url}/webhook",
            "RELAY_NOTIFY_WEBHOOK_KEY": WEBHOOK_KEY,
        }

    def _add_routes(self) -> None:
        @self._app.post(SLACK_PATH)
        def slack() -> Response:
            self._take("slack", channel_checks.slack)
            return Response("ok", content_type="text/html")

        @self._app.post(TEAMS_PATH)
        def teams() -> Response:
            if request.args.get("sig") != TEAMS_SIGNATURE:
                abort(401)
            self._take("teams", channel_checks.teams)
            return Response(status=202)

        @self._app.post("/v2/enqueue")
        def pagerduty() -> Response:
            event = self._take(
                "pagerduty", lambda body: channel_checks.pagerduty(body, PAGERDUTY_KEY)
            )
            key = event["dedup_key"]
            said = {"status": "success", "message": "Event processed", "dedup_key": key}
            return as_json(said, 202)

        @self._app.post("/webhook")
        def webhook() -> Response:
            signed = channel_checks.Signed.of(request.headers)
            self._take("webhook", lambda body: signed.check(body, WEBHOOK_KEY, self.now()))
            return Response(status=204)

    def _take(self, kind: str, check: Callable[[bytes], Any]) -> Any:
        """Keep the body if it is as the vendor wants it; what `check` returns."""
        try:
            body = check(request.get_data())
        except Refused as exc:
            abort(exc.response)
        with self._lock:
            self._received.append(Received(kind, self.now(), body))
        return body

    def _check_credentials(self) -> Response | None:
        return None  # each receiver has its own

    def _error(self, code: int, path: str, detail: str | None = None) -> Response:
        return as_json({"error": detail or str(code)}, code)

    def _not_served(self, code: int, said: str) -> Response:
        return as_json({"error": said}, code)
