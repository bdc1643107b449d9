"""The answer to `GET /metrics`, and who may have it."""

import platform
import time
from collections.abc import Callable
from importlib.metadata import version

import prometheus_client
from flask import Response

from relay.postgres.server import Server
from relay.settings import WebSettings
from relay.tokens import TokenCheck, bearer_token
from relay.web.health import Health
from relay.web.metrics import catalogue
from relay.web.metrics.database import DatabaseMetrics
from relay.web.metrics.deliveries import DeliveryCounts
from relay.web.metrics.exposition import family

CONTENT_TYPE = prometheus_client.CONTENT_TYPE_PLAIN_0_0_4
DATABASE = "database"
CHECKS = (DATABASE, "mapping", "worker")


class MetricsPage:
    """What this process counted and, while the database answers, the service's metrics."""

    def __init__(
        self,
        server: Server,
        settings: WebSettings,
        health: Health,
        *,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self.deliveries = DeliveryCounts(server)
        token = settings.metrics_token
        self._token = None if token is None else TokenCheck(token)
        self._health = health
        self._database = DatabaseMetrics(server, self.deliveries, timer=timer)

    def answer(self, authorization: str | None) -> Response:
        """The response to a request with this `Authorization` header, or None."""
        if not self._allows(authorization):
            response = Response("a token is needed\n", status=401, content_type="text/plain")
            response.headers["WWW-Authenticate"] = "Bearer"
            return response
        return Response(self._exposition(), content_type=CONTENT_TYPE)

    def _allows(self, authorization: str | None) -> bool:
        return self._token is None or self._token.is_right(bearer_token(authorization) or b"")

    def close(self) -> None:
        """Add what is left to the database, and close the connection."""
        self.deliveries.flush_now()
        self._database.close()

    def _exposition(self) -> list[bytes]:
        checks = {check.name: check.is_well for check in self._health.check()}
        stored = self._database.exposition(self._health.mapping) if checks[DATABASE] else None
        checks[DATABASE] = stored is not None
        ready = (((name,), float(checks[name])) for name in CHECKS)
        own = _BUILD_INFO + family(catalogue.READY, ready) + self.deliveries.exposition()
        return [own.encode(), prometheus_client.generate_latest(), stored or b""]


_BUILD_INFO = family(catalogue.BUILD_INFO, [((version("relay"), platform.python_version()), 1)])
