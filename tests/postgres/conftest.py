"""A data folder of its own for each test, and no server left running in it."""

import signal
import subprocess
import tempfile
from pathlib import Path

import pytest
from own_server import Member, servers_in, until

from relay.postgres.embedded import EmbeddedServer


@pytest.fixture(name="folder")
def _folder():
    """Not pytest's: as root it would close that to the server whenever another pytest starts."""
    with tempfile.TemporaryDirectory(prefix="relay-test-") as folder:
        yield Path(folder)


@pytest.fixture(name="data_dir")
def _data_dir(folder):
    """A folder that does not exist yet. No server is left running in it."""
    data_dir = folder / "data"
    yield data_dir
    for each in servers_in(data_dir):
        each.send_signal(signal.SIGINT)
    until(lambda: not servers_in(data_dir))


@pytest.fixture(name="initdb_done", scope="session")
def _initdb_done():
    """The data folder of a server that has been stopped."""
    with tempfile.TemporaryDirectory(prefix="relay-test-") as folder:
        server = EmbeddedServer(Path(folder) / "data")
        server.join()
        server.leave()
        yield Path(folder) / "data"


@pytest.fixture(name="not_the_first_start")
def _not_the_first_start(initdb_done, data_dir):
    # Not shutil: as root the files belong to the server's user, and stay so.
    subprocess.run(["cp", "-a", initdb_done, data_dir], check=True)


@pytest.fixture(name="server")
def _server(data_dir):
    """This process's own membership, not joined yet."""
    server = EmbeddedServer(data_dir)
    yield server
    server.leave()


@pytest.fixture(name="member")
def _member(data_dir):
    """Have a process join: `member() -> Member`, which may not be there yet."""
    members = []

    def join(**environment):
        members.append(Member(data_dir, **environment))
        return members[-1]

    yield join
    for each in members:
        each.close()
