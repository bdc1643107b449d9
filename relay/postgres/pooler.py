"""Refuses a connection pooler in transaction mode, such as pgbouncer's.

Tested: pgbouncer 1.18 mixes up prepared statements of the same name from different clients. relay
also sets `search_path` per session, uses LISTEN, and migrates under a session-level lock.
"""

from contextlib import suppress
from typing import Any

import psycopg

from relay.errors import BadSettings, Problem
from relay.postgres.connections import TimeoutConnection, connect_with_timeout
from relay.postgres.server import ExternalServer, Server

PROBES = 20  # a busy pooler may by chance not share a server process at first
REFUSED = Problem(
    "RELAY_DATABASE_URL",
    "leads to a connection pooler in transaction mode, which relay cannot work with: "
    "use its session mode (pgbouncer: pool_mode = session), or the server's own address",
)


def refuse_transaction_pooler(connection: psycopg.Connection[Any], conninfo: str) -> None:
    """Raise BadSettings if sessions of this conninfo share server processes.

    `connection` is one of them, in autocommit. Raises psycopg.OperationalError.
    """
    ours = _process_of(connection)
    # A server reports its process id when a session begins; a pooler reports an id of its own.
    if ours != connection.info.backend_pid and _is_shared(connection, ours, conninfo):
        raise BadSettings((REFUSED,))


def require_sessions(server: Server) -> None:
    """Raise BadSettings for an external server behind such a pooler; skip an unavailable one."""
    if isinstance(server, ExternalServer):
        with (
            suppress(psycopg.OperationalError),
            connect_with_timeout(server.conninfo) as connection,
        ):
            refuse_transaction_pooler(connection, server.conninfo)


def _is_shared(connection: psycopg.Connection[Any], ours: int, conninfo: str) -> bool:
    try:
        with TimeoutConnection.connect(conninfo, autocommit=True) as other:
            return any(
                _process_of(other) == ours or _process_of(connection) != ours for _ in range(PROBES)
            )
    except psycopg.OperationalError:
        return False  # in session mode there may be no free second session


def _process_of(connection: psycopg.Connection[Any]) -> int:
    """The server process that currently serves a session."""
    cursor = connection.execute("SELECT pg_backend_pid()", prepare=False)
    row = cursor.fetchone()
    assert row is not None
    return int(row[0])
