"""relay's own PostgreSQL, where none is named: started by whoever needs it, stopped by the last."""

import fcntl
import hashlib
import os
import shlex
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg

from relay.errors import DatabaseUnavailable
from relay.logs import get_logger
from relay.postgres.membership import Membership, locked, open_lock
from relay.postgres.owner import let_in, make_private, must_belong_to, server_user, uid_of
from relay.postgres.programs import bin_path, run_program

LONGEST_SOCKET_PATH = 90  # bytes; the kernel's own limit is 107, macOS's 103
START_SECONDS = 30
STOP_SECONDS = 10
CONNECT_SECONDS = 2  # libpq's own limit is no shorter
PORT = 5432  # of the socket's name only; PGPORT may be set to another
SERVER_SETTINGS = """
# relay's own server: small, on one socket, never on the network.
listen_addresses = ''
unix_socket_permissions = 0700
max_connections = 60
shared_buffers = 16MB
max_wal_size = 256MB
min_wal_size = 32MB
max_worker_processes = 2
max_parallel_workers = 0
autovacuum_max_workers = 1
jit = off
log_min_messages = warning
"""

log = get_logger()


class EmbeddedServer:
    """One PostgreSQL server in a data folder, shared by every process that joined it."""

    def __init__(self, data_dir: Path) -> None:
        self._home = data_dir.absolute()
        self._pgdata = self._home / "postgres"
        self._membership: Membership | None = None

    def join(self) -> None:
        """Start the server unless it runs, and keep it from being stopped until `leave`.

        Raises DatabaseUnavailable, which says what to do.
        """
        deadline = time.monotonic() + START_SECONDS
        self._make_home()
        with self._one_at_a_time(deadline):
            self._start(deadline)
            if self._membership is None:
                self._membership = Membership(self._home / "members")

    def ensure_running(self, within: float = START_SECONDS) -> str:
        """The server's conninfo; a server that was killed is started again first.

        Raises DatabaseUnavailable where that takes longer than `within` seconds.
        """
        deadline = time.monotonic() + within
        if not self._answers(deadline):
            self._make_home()
            with self._one_at_a_time(deadline):
                self._start(deadline)
        return self.conninfo

    def leave(self) -> None:
        """Stop the server if nobody else uses it. Safe to call twice, or without `join`."""
        if self._membership is None or not self._membership.is_ours:
            return
        with self._one_at_a_time(time.monotonic() + START_SECONDS):
            if self._membership.was_the_last():
                self._stop()
            self._membership.end()
            self._membership = None

    @property
    def conninfo(self) -> str:
        """How to reach it, running or not."""
        return psycopg.conninfo.make_conninfo(
            host=str(self._socket_dir), port=PORT, user="postgres", dbname="postgres"
        )

    @property
    def _socket_dir(self) -> Path:
        """A folder only the server's user may open: the data folder, if its name is short."""
        if len(os.fsencode(self._pgdata)) <= LONGEST_SOCKET_PATH:
            return self._pgdata
        name = hashlib.sha256(os.fsencode(self._pgdata)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"relay-{os.geteuid()}-{name}"

    def _start(self, deadline: float) -> None:
        if self._answers(deadline):
            return
        began = time.monotonic()
        self._prepare()
        while not self._answers(deadline):
            self._launch_unless_starting(deadline)
            if time.monotonic() > deadline:
                raise DatabaseUnavailable(
                    f"relay's own PostgreSQL in {self._home} does not start: "
                    f"{self._last_words()} (its log is {self._log})"
                )
        log.info(
            "database.started",
            data_dir=str(self._home),
            seconds=round(time.monotonic() - began, 2),
        )

    def _prepare(self) -> None:
        user = server_user()
        if self._pgdata.exists():
            must_belong_to(self._pgdata, uid_of(user))
        if user is not None:
            let_in(user, (bin_path(), self._home, self._socket_dir.parent))
        if not self._pgdata.exists():
            self._initdb()
        if self._socket_dir != self._pgdata:
            make_private(self._socket_dir, user)

    def _initdb(self) -> None:
        # Made under another name and renamed when whole: a kill leaves no half-made folder.
        # A new name each time: the initdb of a killed process may still be at work in the old.
        for half_made in self._home.glob("postgres.new*"):
            shutil.rmtree(half_made, ignore_errors=True)
        new = self._home / f"postgres.new.{uuid.uuid4().hex[:8]}"
        make_private(new, server_user())
        run_program("initdb", "-D", str(new), "-U", "postgres", "-E", "UTF8", "-A", "trust")
        with (new / "postgresql.conf").open("a", encoding="utf-8") as conf:
            conf.write(SERVER_SETTINGS)
        new.rename(self._pgdata)

    def _launch_unless_starting(self, deadline: float) -> None:
        if self._is_alive():
            time.sleep(0.05)
            return
        # A killed container's server leaves a pid that a new one may have given to another
        # process; PostgreSQL would take that for itself and never start again.
        (self._pgdata / "postmaster.pid").unlink(missing_ok=True)
        options = f"-k {shlex.quote(str(self._socket_dir))} -p {PORT}"
        seconds = max(round(deadline - time.monotonic()), 1)
        try:
            run_program(
                *("pg_ctl", "-D", str(self._pgdata), "-w", "-t", str(seconds)),
                *("-l", str(self._log), "-o", options, "start"),
            )
        except DatabaseUnavailable:
            time.sleep(0.1)  # a killed server's last children may still hold its memory

    def _stop(self) -> None:
        if self._is_alive():
            seconds = str(STOP_SECONDS)
            run_program(
                "pg_ctl", "-D", str(self._pgdata), "-w", "-t", seconds, "-m", "fast", "stop"
            )
            log.info("database.stopped", data_dir=str(self._home))

    def _answers(self, deadline: float) -> bool:
        """Whether it does. A server that hangs is not asked unless there is time to wait for it."""
        if deadline - time.monotonic() < CONNECT_SECONDS and self._is_alive():
            raise DatabaseUnavailable(
                f"relay's own PostgreSQL in {self._home} runs, and does not answer in time"
            )
        try:
            psycopg.connect(self.conninfo, connect_timeout=CONNECT_SECONDS).close()
        except psycopg.OperationalError:
            return False
        return True

    def _is_alive(self) -> bool:
        """Whether the process named in the pid file is a PostgreSQL on this very folder."""
        try:
            pid = int((self._pgdata / "postmaster.pid").read_text().split("\n", 1)[0])
            process = psutil.Process(pid)
            return (
                process.status() != psutil.STATUS_ZOMBIE and str(self._pgdata) in process.cmdline()
            )
        except (OSError, ValueError, psutil.Error):
            return False

    @property
    def _log(self) -> Path:
        return self._pgdata / "server.log"

    def _last_words(self) -> str:
        try:
            return self._log.read_text(errors="replace").rstrip().rpartition("\n")[2]
        except OSError:
            return "it said nothing"

    def _make_home(self) -> None:
        try:
            # As root the server is another user, which must pass through here and read nothing.
            mode = 0o711 if os.geteuid() == 0 else 0o700
            self._home.mkdir(mode=mode, parents=True, exist_ok=True)
        except OSError as exc:
            raise DatabaseUnavailable(
                f"RELAY_DATA_DIR {self._home} cannot be made: {exc.strerror}"
            ) from exc
        if not os.access(self._home, os.W_OK | os.X_OK):
            raise DatabaseUnavailable(
                f"RELAY_DATA_DIR {self._home} belongs to another user: give it to this one, "
                "or name another folder"
            )

    @contextmanager
    def _one_at_a_time(self, deadline: float) -> Iterator[None]:
        lock = open_lock(self._home / "lock")
        try:
            while not locked(lock, fcntl.LOCK_EX):
                if time.monotonic() > deadline:
                    raise DatabaseUnavailable(
                        f"relay's own PostgreSQL in {self._home} is being started or stopped"
                    )
                time.sleep(0.02)
            yield
        finally:
            os.close(lock)
