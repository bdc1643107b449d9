"""The engine in the worker's event loop."""

import asyncio
import threading

from relay.worker.engine import engine_of


class StartingServer:
    """A server that is being started until it is told that it runs."""

    def __init__(self, server):
        self._conninfo = server.conninfo
        self.runs = threading.Event()
        self.blocked = False

    def ensure_running(self):
        self.blocked |= not self.runs.wait(3)
        return self._conninfo


def test_all_else_goes_on_while_relays_own_server_is_started(relay, database):
    server = StartingServer(database)

    async def start():
        async with engine_of(relay.services, server).open_async():
            pass

    async def go():
        starting = asyncio.create_task(start())
        for _ in range(3):
            await asyncio.sleep(0.01)
        server.runs.set()
        await starting

    asyncio.run(go())
    assert not server.blocked
