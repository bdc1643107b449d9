"""relay's own PostgreSQL server: the first process that needs it starts it, the last stops it."""

import fcntl
import hashlib
import os
import shlex
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg

from relay.errors import DatabaseUnavailable
from relay.logs import get_logger
from relay.postgres.data_folder import check_data_folder, make_data_folder
from relay.postgres.membership import Membership, locked, open_lock
from relay.postgres.owner import allow_access, make_data_dir, make_private, server_user
from relay.postgres.programs import bin_path, clear_libpq_variables, run_program
from relay.postgres.server_log import ServerLog, failure_in

LONGEST_SOCKET_PATH = 90  # bytes; the kernel's own limit is 107, macOS's 103
START_SECONDS = 30
STOP_SECONDS = 10
CONNECT_SECONDS = 2  # libpq's own limit is no shorter
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0  # seconds; the backoff between failed starts
TRIES_AT_ONCE = 3  # failed starts before the error is raised
PORT = 5432  # only part of the socket's name
# Temporary failures while the last child processes of a killed server are still ending.
PASSING_FAILURES = ("pre-existing shared memory block", "lock file")
PASSING_REFUSALS = ("the database system is", "too many clients", "connection slots")

log = get_logger()


class EmbeddedServer:
    """One PostgreSQL server in a data folder, shared by every process that joined it.

    Creating an instance removes PG* variables from this process: none applies to this server.
    """

    def __init__(self, data_dir: Path, joined_by: int | None = None) -> None:
        """`joined_by` is the descriptor of `keep_over_exec`, if this process has joined already."""
        # Resolved: all processes must use the same path, even if they reach it by different links.
        self._home = data_dir.resolve()
        self._pgdata = self._home / "postgres"
        self._log = ServerLog(self._pgdata / "server.log")
        self._membership = None if joined_by is None else Membership(joined_by)
        self._failed_starts = 0
        self._start_again_at = 0.0
        self._last_failure = "no message"
        clear_libpq_variables()

    def join(self) -> None:
        """Start the server unless it is running, and keep it running until `leave`.

        Raises DatabaseUnavailable, with what to do.
        """
        deadline = time.monotonic() + START_SECONDS
        make_data_dir(self._home)
        with self._one_at_a_time(deadline):
            if self._membership is None or not self._membership.is_ours:
                self._membership = Membership(open_lock(self._home / "members"))
            try:
                self._start(deadline)
            except BaseException:  # also a signal that ends this process
                self._end_membership()
                raise

    def ensure_running(self, within: float = START_SECONDS) -> str:
        """The server's conninfo; if the server was killed, it is restarted first.

        Raises DatabaseUnavailable if that takes longer than `within` seconds, and at once if
        PostgreSQL cannot start, or failed to start during the last backoff.
        """
        deadline = time.monotonic() + within
        if not self._answers(deadline):
            make_data_dir(self._home)
            with self._one_at_a_time(deadline):
                self._start(deadline)
        self._log.cut_if_large()
        return self.conninfo

    def leave(self) -> None:
        """Stop the server if no other process uses it. Safe to call twice, or without `join`."""
        if self._membership is None or not self._membership.is_ours:
            return
        with self._one_at_a_time(time.monotonic() + START_SECONDS):
            self._end_membership()

    def keep_over_exec(self) -> tuple[str, str]:
        """Remain a member when this process becomes another program.

        Returns what that needs to leave, as arguments: the data folder and a descriptor.
        """
        assert self._membership is not None
        return str(self._home), str(self._membership.keep_over_exec())

    @property
    def conninfo(self) -> str:
        """Its conninfo, whether it is running or not."""
        return psycopg.conninfo.make_conninfo(
            host=str(self._socket_dir), port=PORT, user="postgres", dbname="postgres"
        )

    @property
    def _socket_dir(self) -> Path:
        """A folder that only the server's user may open: the data folder, if its path is short."""
        if len(os.fsencode(self._pgdata)) <= LONGEST_SOCKET_PATH:
            return self._pgdata
        name = hashlib.sha256(os.fsencode(self._pgdata)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"relay-{os.geteuid()}-{name}"

    def _end_membership(self) -> None:
        assert self._membership is not None
        membership, self._membership = self._membership, None
        try:
            if membership.is_last():
                self._stop()
        finally:
            membership.end()

    def _start(self, deadline: float) -> None:
        if self._answers(deadline):
            return
        began = time.monotonic()
        if began < self._start_again_at:
            raise self._does_not_start()
        self._prepare()
        while not self._answers(deadline):
            self._launch_unless_starting(deadline)
            if time.monotonic() > deadline:
                raise self._does_not_start()
        self._failed_starts = 0
        log.info(
            "database.started",
            data_dir=str(self._home),
            seconds=round(time.monotonic() - began, 2),
        )

    def _prepare(self) -> None:
        user = server_user()
        if user is not None:
            allow_access(user, (bin_path(), self._home, self._socket_dir.parent))
        if self._socket_dir != self._pgdata:
            make_private(self._socket_dir, user)
        if self._pgdata.is_symlink() or self._pgdata.exists():
            check_data_folder(self._pgdata, self._socket_dir)
        else:
            make_data_folder(self._home, self._pgdata)

    def _launch_unless_starting(self, deadline: float) -> None:
        if self._is_alive():
            time.sleep(0.05)
            return
        self._remove_stale_lock_files()
        self._log.cut_if_large()
        said_before = self._log.size()
        options = f"-k {shlex.quote(str(self._socket_dir))} -p {PORT}"
        seconds = max(round(deadline - time.monotonic()), 1)
        try:
            run_program(
                *("pg_ctl", "-D", str(self._pgdata), "-w", "-t", str(seconds)),
                *("-l", str(self._log.path), "-o", options, "start"),
            )
        except DatabaseUnavailable as exc:
            if not self._is_alive():  # otherwise it is slow, and may still respond
                self._note_failed_start(self._log.last_failure(said_before) or str(exc))
        except (SystemExit, KeyboardInterrupt):
            self._wait_for_launched_server()
            raise

    def _wait_for_launched_server(self) -> None:
        """Wait for the pid file: a signal ended pg_ctl, not the server that it launched."""
        deadline = time.monotonic() + 1.0
        while not self._is_alive() and time.monotonic() < deadline:
            time.sleep(0.02)

    def _remove_stale_lock_files(self) -> None:
        """Remove both lock files, whose pid is that of a dead server.

        After a container was killed, the next container may have another process with this pid, or
        a zombie if process 1 does not reap its children. PostgreSQL would mistake either for a
        running server, and never start again.
        """
        (self._pgdata / "postmaster.pid").unlink(missing_ok=True)
        (self._socket_dir / f".s.PGSQL.{PORT}.lock").unlink(missing_ok=True)

    def _note_failed_start(self, why: str) -> None:
        """Back off before the next start. Raises DatabaseUnavailable unless it may succeed."""
        self._last_failure = why
        pause = min(FIRST_PAUSE * 2**self._failed_starts, LONGEST_PAUSE)
        self._failed_starts = min(self._failed_starts + 1, 10)
        passes = any(words in why for words in PASSING_FAILURES)
        if not passes and self._failed_starts >= TRIES_AT_ONCE:
            self._start_again_at = time.monotonic() + pause
            raise self._does_not_start()
        time.sleep(pause)

    def _does_not_start(self) -> DatabaseUnavailable:
        return DatabaseUnavailable(
            f"relay's own PostgreSQL in {self._home} does not start: {self._last_failure} "
            f"(its log is {self._log.path})"
        )

    def _stop(self) -> None:
        if not self._is_alive():
            return
        stop = ("pg_ctl", "-D", str(self._pgdata), "-w", "-t", str(STOP_SECONDS), "stop", "-m")
        try:
            run_program(*stop, "fast")
        except DatabaseUnavailable:
            # No committed data is lost: the next start recovers, as after a kill.
            run_program(*stop, "immediate")
        log.info("database.stopped", data_dir=str(self._home))

    def _answers(self, deadline: float) -> bool:
        """Whether it accepts connections. A server that may hang is tried only if there is time."""
        if deadline - time.monotonic() < CONNECT_SECONDS and self._is_alive():
            raise DatabaseUnavailable(
                f"relay's own PostgreSQL in {self._home} is running, but does not respond in time"
            )
        try:
            psycopg.connect(self.conninfo, connect_timeout=CONNECT_SECONDS).close()
        except psycopg.OperationalError as exc:
            refusal = failure_in(str(exc))
            if refusal and not any(words in refusal for words in PASSING_REFUSALS):
                raise DatabaseUnavailable(
                    f"relay's own PostgreSQL in {self._home} refuses connections: {refusal}"
                ) from exc
            return False
        return True

    def _is_alive(self) -> bool:
        """Whether the pid file's process is a PostgreSQL server on this folder."""
        try:
            pid = int((self._pgdata / "postmaster.pid").read_text().split("\n", 1)[0])
            process = psutil.Process(pid)
            return (
                process.status() != psutil.STATUS_ZOMBIE and str(self._pgdata) in process.cmdline()
            )
        except (OSError, ValueError, psutil.Error):
            return False

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
