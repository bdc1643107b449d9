"""The engine's way to the database, which tells at once when it is lost."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, LiteralString

import procrastinate
from procrastinate.exceptions import ConnectorException


class Connector(procrastinate.PsycopgConnector):
    """Procrastinate's own. Where one query fails, the engine has to be run anew.

    It would wait for its jobs first, and they may hang in a call to a vendor.
    """

    def __init__(self, when_lost: Callable[[], None], **arguments: Any) -> None:
        super().__init__(**arguments)
        self._when_lost = when_lost

    async def execute_query_async(self, query: LiteralString, **arguments: Any) -> None:
        with self._telling():
            await super().execute_query_async(query, **arguments)

    async def execute_query_one_async(self, query: LiteralString, **arguments: Any) -> Any:
        with self._telling():
            return await super().execute_query_one_async(query, **arguments)

    async def execute_query_all_async(self, query: LiteralString, **arguments: Any) -> Any:
        with self._telling():
            return await super().execute_query_all_async(query, **arguments)

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except ConnectorException:
            self._when_lost()
            raise
