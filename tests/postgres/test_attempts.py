"""No socket outlives the attempt to connect that opened it, whoever still holds the exception."""

import asyncio
import gc
import itertools
import socket
import time
from contextlib import contextmanager

import psycopg
import pytest

from relay.postgres.attempts import AsyncConnection, Connection
from relay.postgres.connections import (
    RECONNECT_SECONDS,
    connect_with_timeout,
    engine_pool,
    open_pool,
)
from relay.postgres.server import ExternalServer


@pytest.fixture(name="silent")
def _silent():
    """A server that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        yield server


@pytest.fixture(autouse=True)
def _no_collection():
    """What only the garbage collector closes stays open for too long."""
    gc.disable()
    yield
    gc.enable()


def url_of(server):
    return f"postgresql://relay@127.0.0.1:{server.getsockname()[1]}/relay?connect_timeout=2"


@contextmanager
def seen_closed(server):
    """After the block, the server has seen the end of the connection that was made meanwhile."""
    yield
    peer, _ = server.accept()
    with peer:
        peer.settimeout(3)
        while peer.recv(4096):
            pass  # what it asked before it gave up


def test_one_that_times_out_closes_its_socket(silent):
    with seen_closed(silent), pytest.raises(psycopg.OperationalError) as held:
        Connection.connect(url_of(silent))
    assert held.value.__traceback__ is not None


def test_so_does_one_that_is_cancelled(silent):
    async def cancelled():
        attempt = asyncio.create_task(AsyncConnection.connect(url_of(silent)))
        await asyncio.sleep(0.3)
        attempt.cancel()
        (held,) = await asyncio.gather(attempt, return_exceptions=True)
        with seen_closed(silent):
            pass
        return held

    assert isinstance(asyncio.run(cancelled()), asyncio.CancelledError)


def test_every_connection_of_relays_is_made_that_way(database):
    with connect_with_timeout(database.conninfo) as connection:
        assert isinstance(connection, Connection)
    with open_pool(database, max_size=1) as pool, pool.connection() as connection:
        assert isinstance(connection, Connection)
    assert engine_pool(conninfo="", open=False).connection_class is AsyncConnection


class Refusing(ExternalServer):
    """A server that is down; it notes when it was to be connected to."""

    def __init__(self, silent):
        super().__init__(f"postgresql://relay@127.0.0.1:{silent.getsockname()[1]}/relay")
        silent.close()
        self.asked_at = []

    def ensure_running(self, within=0.0):
        self.asked_at.append(time.monotonic())
        return self.conninfo

    @property
    def longest_pause(self):
        return max(b - a for a, b in itertools.pairwise(self.asked_at))


class TestADatabaseThatIsDown:
    """psycopg's pools double their pause for five minutes: relay would be the last to know."""

    def test_is_tried_every_few_seconds_by_the_engine(self, silent):
        server = Refusing(silent)

        async def wait_for_it():
            pool = engine_pool(conninfo=server.ensure_running, open=False, min_size=1, max_size=4)
            await pool.open()
            await asyncio.sleep(9)
            await pool.close()

        asyncio.run(wait_for_it())
        assert server.longest_pause < 3.5

    def test_is_tried_as_often_by_the_tasks(self, database):
        with open_pool(database, max_size=1) as pool:
            assert pool.reconnect_timeout == RECONNECT_SECONDS
