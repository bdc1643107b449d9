"""A real pgbouncer in front of a database."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

PATIENCE = 10.0  # seconds
OTHER_USER = "nobody"  # pgbouncer refuses to be root


@contextmanager
def pgbouncer(conninfo, *, pool_mode, **settings):
    """`with pgbouncer(conninfo, pool_mode="transaction") as url`. Skips where it is missing."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        pytest.skip("pgbouncer is not installed")
    named = conninfo_to_dict(conninfo)
    with tempfile.TemporaryDirectory(prefix="relay-pgbouncer-") as folder:
        port = _free_port()
        Path(folder).chmod(0o755)
        config = Path(folder) / "pgbouncer.ini"
        config.write_text(
            f"[databases]\nrelay = {' '.join(_reaching(named))}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = any\npool_mode = {pool_mode}\n"
            + "".join(f"{name} = {value}\n" for name, value in settings.items())
        )
        process = subprocess.Popen(
            [program, *(("-u", _user_of(named)) if os.geteuid() == 0 else ()), config],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            url = f"postgresql://{named['user']}@127.0.0.1:{port}/relay"
            _wait_for(url)
            yield url
        finally:
            process.terminate()
            process.wait(PATIENCE)


def _reaching(named):
    for key in ("host", "port", "dbname", "user", "password"):
        if key in named:
            yield f"{key}={named[key]}"


def _user_of(named):
    """Who may reach the server: where that is relay's own, only the user of its socket."""
    folder = Path(named["host"])
    return folder.owner() if folder.is_dir() else OTHER_USER


def _wait_for(url):
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def _free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]
