"""A stage for each test, its database ready: initdb and migrations are done once and copied."""

import subprocess
import tempfile
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from crash.stage import Stage
from relay.postgres.embedded import EmbeddedServer
from relay.postgres.migrate import migrate
from relay.sandbox import open_sandbox

RUNS_TAKE = timedelta(seconds=1)


@contextmanager
def new_folder():
    """Not pytest's: as root it would close that to the server whenever another pytest starts."""
    with tempfile.TemporaryDirectory(prefix="relay-crash-") as folder:
        yield Path(folder)


@pytest.fixture(name="prepared", scope="session")
def _prepared():
    """The data folder of a server that is stopped, its database up to date."""
    with new_folder() as folder:
        server = EmbeddedServer(folder / "data")
        server.join()
        migrate(server)
        server.leave()
        yield folder / "data"


@pytest.fixture(name="new_stage", scope="session")
def _new_stage(prepared):
    """`with new_stage() as stage`, in a test or in a fixture of any scope."""

    @contextmanager
    def new_stage(*, empty=False):
        with new_folder() as folder, open_sandbox(runs_take=RUNS_TAKE) as sandbox:
            if not empty:
                # Not shutil: as root the files belong to the server's user, and stay so.
                subprocess.run(["cp", "-a", prepared, folder / "data"], check=True)
            stage = Stage(folder, sandbox)
            try:
                yield stage
            finally:
                stage.close()

    return new_stage


@pytest.fixture(name="stage")
def _stage(new_stage):
    with new_stage() as stage:
        yield stage


@pytest.fixture(name="empty_stage")
def _empty_stage(new_stage):
    """A stage before anything was ever started on it."""
    with new_stage(empty=True) as stage:
        yield stage
