"""The engine's database connector, which reports a lost connection immediately."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, LiteralString

import procrastinate
from procrastinate.exceptions import ConnectorException


class Connector(procrastinate.PsycopgConnector):
    """Procrastinate's own, with a callback for a failed query.

    Otherwise the engine waits for its jobs before it stops, and they may hang in a call to a
    vendor.
    """

    def __init__(self, on_connection_lost: Callable[[], None], **arguments: Any) -> None:
        super().__init__(**arguments)
        self._on_connection_lost = on_connection_lost

    async def execute_query_async(self, query: LiteralString, **arguments: Any) -> None:
        with self._reporting_loss():
            await super().execute_query_async(query, **arguments)

    async def execute_query_one_async(self, query: LiteralString, **arguments: Any) -> Any:
        with self._reporting_loss():
            return await super().execute_query_one_async(query, **arguments)

    async def execute_query_all_async(self, query: LiteralString, **arguments: Any) -> Any:
        with self._reporting_loss():
            return await super().execute_query_all_async(query, **arguments)

    @contextmanager
    def _reporting_loss(self) -> Iterator[None]:
        try:
            yield
        except ConnectorException:
            self._on_connection_lost()
            raise
