"""Connection attempts that leave no socket open when they fail or are cancelled.

psycopg (3.3) keeps the unfinished connection in a local variable, which the exception's traceback
references in a cycle until garbage collection. Meanwhile the server waits: PostgreSQL up to 17
cannot shut down while a client is connected that has not sent its startup packet.
"""

import traceback
from typing import Any, Self

import psycopg


class Connection(psycopg.Connection[Any]):
    """psycopg's connection; a failed attempt closes its socket at once."""

    @classmethod
    def connect(cls, conninfo: str = "", **kwargs: Any) -> Self:
        """Connect as psycopg does. Raises psycopg.OperationalError."""
        try:
            return super().connect(conninfo, **kwargs)
        except BaseException as exc:
            traceback.clear_frames(exc.__traceback__)
            raise


class AsyncConnection(psycopg.AsyncConnection[Any]):
    """psycopg's connection; a failed or cancelled attempt closes its socket at once."""

    @classmethod
    async def connect(cls, conninfo: str = "", **kwargs: Any) -> Self:
        """Connect as psycopg does. Raises psycopg.OperationalError."""
        try:
            return await super().connect(conninfo, **kwargs)
        except BaseException as exc:
            traceback.clear_frames(exc.__traceback__)
            raise
