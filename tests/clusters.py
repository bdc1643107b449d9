"""PostgreSQL servers of their own: one that takes many connections, and a standby of it."""

import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg

from relay.errors import DatabaseUnavailable
from relay.postgres.migrate import migrate
from relay.postgres.owner import allow_access, make_private, server_user
from relay.postgres.programs import bin_path, run_program
from relay.postgres.server import ExternalServer

PATIENCE = 30.0  # seconds
SMALL = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "max_parallel_workers": "0",
    "jit": "off",
}


@dataclass(frozen=True, slots=True)
class Cluster:
    """A server that runs in a folder, which is also that of its socket."""

    folder: Path

    @property
    def url(self):
        """How relay reaches it."""
        return f"postgresql://postgres@/postgres?host={self.folder}"

    @property
    def pid(self):
        """Its first process."""
        return int((self.folder / "postmaster.pid").read_text().split("\n", 1)[0])

    def execute(self, *statements):
        """Execute statements, each in a transaction of its own."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def kill(self):
        """`kill -9` of all its processes, as if its machine had died."""
        first = psutil.Process(self.pid)
        for each in (first, *first.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                each.kill()

    def promote(self):
        """Make a standby the primary, and return when it takes writes."""
        run_program("pg_ctl", "-D", str(self.folder), "-w", "promote")


@contextmanager
def cluster(folder):
    """A new server with relay's schema, until the block ends."""
    settings = [f"--set={name}={value}" for name, value in SMALL.items()]
    _make_folder(folder)
    run_program(
        "initdb", "-D", str(folder), "-U", "postgres", "-E", "UTF8", "-A", "trust", *settings
    )
    with _running(folder) as primary:
        migrate(ExternalServer(primary.url))
        yield primary


@contextmanager
def standby_of(primary, folder, *, is_synchronous):
    """A standby that streams; commits wait for it if it is synchronous."""
    _make_folder(folder)
    reach = ("-h", str(primary.folder), "-U", "postgres")
    run_program("pg_basebackup", *reach, "-D", str(folder), "-R", "-X", "stream", "-c", "fast")
    (folder / ".s.PGSQL.5432.lock").unlink()  # copied: it is that of the primary's socket
    with _running(folder) as standby:
        _wait_until_streaming(primary)
        if is_synchronous:
            primary.execute(
                "ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"
            )
        yield standby


def _wait_until_streaming(primary):
    deadline = time.monotonic() + PATIENCE
    with psycopg.connect(primary.url, autocommit=True) as connection:
        while connection.execute(_STATE).fetchall() != [("streaming",)]:
            assert time.monotonic() < deadline, "no standby streams"
            time.sleep(0.05)


_STATE = "SELECT state FROM pg_stat_replication"


def _make_folder(folder):
    user = server_user()
    make_private(folder, user)
    if user is not None:
        allow_access(user, (bin_path(), folder.parent))


@contextmanager
def _running(folder):
    options = f"-k {folder}"
    run_program("pg_ctl", "-D", str(folder), "-w", "-l", "/dev/null", "-o", options, "start")
    try:
        yield Cluster(folder)
    finally:
        with suppress(DatabaseUnavailable):  # it was killed
            run_program("pg_ctl", "-D", str(folder), "-w", "-m", "immediate", "stop")
