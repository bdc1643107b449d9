"""The dashboard's pages on a database with a history, and a browser that reads them."""

import http.client
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import LiteralString
from urllib.parse import urlencode

import psycopg

from harness.history import (
    BUSY,
    BUSY_DELIVERY,
    BUSY_REQUEST,
    BUSY_RUN,
    BUSY_SYNC,
    EVERY,
    OTHER_RUNS,
    SYNCS,
)
from harness.history_database import ADMIN_TOKEN, HistoryDatabase, history_database
from relay.dashboard.pages import PAGES
from relay.postgres.server import Server

LOGIN = {"token": ADMIN_TOKEN, "name": "Ada"}
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}


def busy_database(sync_runs: int) -> AbstractContextManager[HistoryDatabase]:
    """A history up to now, with what is large by itself."""
    more: Sequence[Sequence[LiteralString]] = (OTHER_RUNS, BUSY)
    return history_database(sync_runs, datetime.now(UTC) - sync_runs * EVERY, *more)


def addresses_in(server: Server) -> dict[str, str]:
    """An address for each page, of what is large where it takes an id; and some of other kinds."""
    with psycopg.connect(server.conninfo) as connection:
        attempt_id, action_id = connection.execute(_NEWEST, (BUSY_SYNC,)).fetchone() or (0, 0)
    ids = {
        "dbt_run_id": str(BUSY_RUN),
        "delivery_id": str(BUSY_DELIVERY),
        "workspace": "default",
        "sync_id": str(BUSY_SYNC),
        "attempt_id": str(attempt_id),
        "action_id": str(action_id),
        "request_id": str(BUSY_REQUEST),
    }
    of_pages = {page.name: _with_ids(page.rule, ids) for page in PAGES}
    return {
        **of_pages,
        "overview of 30 days": "/?since=30d",
        "dbt runs, none": "/runs?job=999",
        "deliveries, none": "/deliveries?job=999",
        "decisions, none": "/syncs/decisions?reason=stale_parent",
        "decisions of a sync": f"/syncs/decisions?sync={BUSY_SYNC}",
        "sync runs, none": "/sync-runs?outcome=canceled",
        "sync runs given up": "/sync-runs?outcome=given+up",
        "syncs, none": "/syncs?q=nothing",
        "actions, none": "/actions?who=nobody",
        "mapping of a sync": f"/mapping?sync={BUSY_SYNC}",
        "mapping of a job": "/mapping?job=1",
        "find a number": f"/find?id={SYNCS}",
        "find an event": "/find?id=nothing",
        "replay 500": "/act/replay?status=success",
        "replay by reason": "/act/replay?reason=model_failed",
        "trigger": f"/act/trigger?sync=default/{BUSY_SYNC}",
    }


_NEWEST = """
SELECT (SELECT max(attempt_id) FROM relay.sync_runs WHERE sync_id = %s AND ended_at IS NOT NULL),
       (SELECT max(action_id) FROM relay.actions)
"""


def _with_ids(rule: str, ids: Mapping[str, str]) -> str:
    """The rule with ids for its variables, `/runs/<int:dbt_run_id>`."""
    parts = []
    for part in rule.split("/"):
        is_variable = part.startswith("<")
        parts.append(ids[part.strip("<>").rpartition(":")[2]] if is_variable else part)
    return "/".join(parts)


class Browser:
    """Somebody who has logged in, over a connection that is kept."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        self._connection.request("POST", "/login", urlencode(LOGIN), kind | SAME_ORIGIN)
        answer = self._connection.getresponse()
        content = answer.read()
        assert answer.status == 303, (answer.status, content)
        self._cookie = answer.headers["Set-Cookie"].partition(";")[0]

    def close(self) -> None:
        """Close the connection; the next page opens another, as a browser does after a while."""
        self._connection.close()

    def get(self, address: str) -> bytes:
        """The page at this address."""
        self._connection.request("GET", address, headers={"Cookie": self._cookie})
        answer = self._connection.getresponse()
        content = answer.read()
        assert answer.status == 200, (address, answer.status, content)
        return content
