"""Jobs: their names, and how one is deferred inside a transaction of relay's own.

Procrastinate keeps them in PostgreSQL, so what makes a job necessary and the job itself are
one commit. web defers by name and imports no task.
"""

from datetime import datetime
from typing import Any

import procrastinate
import psycopg
from procrastinate.exceptions import ConnectorException
from procrastinate.types import JSONDict

QUEUE = "relay"

RELAY_RUN = "relay_run"
RUN_SYNC = "run_sync"
WAKE_SYNC = "wake_sync"
LOOK_AT_SYNC_RUN = "look_at_sync_run"
CATCH_UP = "catch_up"
PRUNE = "prune"

# Never opened: every job goes through a connection that is given.
_app = procrastinate.App(connector=procrastinate.SyncPsycopgConnector())


def defer(
    connection: psycopg.Connection[Any],
    task: str,
    arguments: JSONDict,
    *,
    at: datetime | None = None,
    lock: str | None = None,
) -> None:
    """Put a job into the connection's transaction.

    `at` is when to run it, None for at once. Jobs of one `lock` run one at a time in the order
    they were deferred: one that waits for its time holds none, or it would hold up the others.
    """
    deferrer = _app.configure_task(
        task, queue=QUEUE, schedule_at=at, lock=lock, connection=connection
    )
    try:
        deferrer.defer(**arguments)
    except ConnectorException as exc:
        # The connection is relay's own: what happened to it is told in psycopg's words.
        raise exc.__cause__ or exc from None
