"""The folder of relay's own server: made once, looked at before each start."""

import shutil
import uuid
from pathlib import Path

from relay.errors import DatabaseUnavailable
from relay.postgres.owner import make_private, require_owner, server_user, uid_of
from relay.postgres.programs import bin_path, major_version, run_program

SETTINGS = {  # small, on one socket, never on the network
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "60",
    "shared_buffers": "16MB",
    "max_wal_size": "256MB",
    "min_wal_size": "32MB",
    "max_worker_processes": "2",
    "max_parallel_workers": "0",
    "autovacuum_max_workers": "1",
    "jit": "off",
    "log_min_messages": "warning",
    # A client that connects and says nothing would hold up a shutdown for so long.
    "authentication_timeout": "5s",
}


def make_data_folder(home: Path, pgdata: Path) -> None:
    """Have initdb make it, whole or not at all. Raises DatabaseUnavailable."""
    # Made under another name and renamed when whole: a kill leaves no half-made folder.
    # A new name each time: the initdb of a killed process may still be at work in the old.
    for half_made in home.glob("postgres.new*"):
        shutil.rmtree(half_made, ignore_errors=True)
    new = home / f"postgres.new.{uuid.uuid4().hex[:8]}"
    make_private(new, server_user())
    settings = [f"--set={name}={value}" for name, value in SETTINGS.items()]
    # A locale of PostgreSQL's own: those of the machine may be missing, or change with its libc.
    locale = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
    run_program(
        *("initdb", "-D", str(new), "-U", "postgres", "-E", "UTF8", "-A", "trust"),
        *(*locale, *settings),
    )
    new.rename(pgdata)


def check_data_folder(pgdata: Path, socket_dir: Path) -> None:
    """Raise DatabaseUnavailable, which says what to do, unless our PostgreSQL can use it."""
    require_owner(pgdata, uid_of(server_user()))
    try:
        made_by = (pgdata / "PG_VERSION").read_text(encoding="utf-8", errors="replace").strip()
    except FileNotFoundError:
        raise _damaged(pgdata, "it has no file PG_VERSION") from None
    except OSError as exc:
        raise DatabaseUnavailable(f"{pgdata} cannot be read: {exc.strerror}") from exc
    if not made_by.isdigit():
        raise _damaged(pgdata, "its file PG_VERSION names no version")
    ours = major_version()
    if made_by != ours:
        raise DatabaseUnavailable(_how_to_upgrade(pgdata, socket_dir, made_by, ours))


def _damaged(pgdata: Path, why: str) -> DatabaseUnavailable:
    return DatabaseUnavailable(
        f"{pgdata} is damaged, {why}: put a back-up in its place, or move it away and relay "
        "begins with an empty database"
    )


def _how_to_upgrade(pgdata: Path, socket_dir: Path, made_by: str, ours: str) -> str:
    reach = f"--host '{socket_dir}' --username postgres"
    return (
        f"{pgdata} was made by PostgreSQL {made_by}, and this relay brings {ours}, "
        "which cannot read it.\n"
        f"While the relay that brings {made_by} runs, copy the data:\n"
        f"  '{bin_path()}/pg_dump' {reach} --format custom --file relay.dump postgres\n"
        f"Then stop it, move {pgdata} away, start this relay, and put the data back:\n"
        f"  '{bin_path()}/pg_restore' {reach} --dbname postgres --clean --if-exists relay.dump"
    )
