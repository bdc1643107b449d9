"""relay's web with group commit switched off, to measure the benefit of group commit.

Each delivery is a transaction of its own, in the thread of its request, over a pooled
connection. Everything else is relay's own: application, SQL, gunicorn settings.
"""

import threading

from flask import Flask
from psycopg_pool import ConnectionPool

from relay import logs
from relay.postgres.server import Server, server_of
from relay.settings import WebSettings
from relay.store import Deliveries, Delivery
from relay.web.app import create_app
from relay.web.health import Health
from relay.web.metrics.page import MetricsPage
from relay.web.recorder import Recorder

CONNECTIONS = 4  # of each worker process


class OneCommitEach(Recorder):
    """Writes each delivery by itself."""

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self._conninfo = server.conninfo
        self._pool: ConnectionPool | None = None
        self._opening = threading.Lock()

    def record(self, delivery: Delivery) -> bool:
        """Write a delivery to disk; return whether its run is new."""
        return bool(Deliveries(self._open_pool()).record([delivery]))

    def _open_pool(self) -> ConnectionPool:
        # With the first delivery: the application is loaded before gunicorn forks.
        with self._opening:
            if self._pool is None:
                self._pool = ConnectionPool(
                    self._conninfo, kwargs={"autocommit": True}, min_size=CONNECTIONS, open=True
                )
            return self._pool


def application() -> Flask:
    """The application with the settings of the environment, for gunicorn."""
    settings = WebSettings.from_environment()
    logs.configure(settings)
    server = server_of(settings)
    health = Health(server, settings)
    page = MetricsPage(server, settings, health)
    return create_app(settings, OneCommitEach(server), health, page)
