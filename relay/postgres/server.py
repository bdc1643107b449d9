"""Which PostgreSQL: the one that is named, or relay's own."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from relay.errors import BadSettings, NoDatabase, Problem
from relay.postgres.embedded import EmbeddedServer
from relay.settings import Settings

# A server that is gone without a word is noticed by the kernel, not by a query's patience.
_CONNECTION_DEFAULTS = {
    "connect_timeout": "3",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "2",
    "tcp_user_timeout": "10000",
    "application_name": "relay",
}


_UNREADABLE = (
    "cannot be read as a PostgreSQL URL: percent-encode what is special in user and password "
    "(@ is %40, / is %2F, % is %25, a blank is %20)"
)


class Server(Protocol):
    """A PostgreSQL server: somebody else's, or relay's own."""

    def join(self) -> None:
        """Have it run as long as this process lives. Raises DatabaseUnavailable."""

    @property
    def conninfo(self) -> str:
        """How to reach it, running or not."""

    def ensure_running(self, within: float = ...) -> str:
        """Its conninfo, for a pool to call before it connects.

        Raises DatabaseUnavailable where it had to be started and that took too long.
        """

    def leave(self) -> None:
        """No longer need it."""


class ExternalServer:
    """The server of RELAY_DATABASE_URL: it runs, or it does not."""

    def __init__(self, url: str) -> None:
        try:
            conninfo_to_dict(url)
        except psycopg.ProgrammingError:
            # libpq's own message repeats the URL, and so the password.
            problem = Problem("RELAY_DATABASE_URL", _UNREADABLE)
            raise BadSettings((problem,)) from None
        reaching = _without(_CONNECTION_DEFAULTS, conninfo_to_dict(url))
        self.conninfo = make_conninfo(url, **reaching, client_encoding="UTF8")

    def join(self) -> None:
        """Nothing to do: it is not ours to start."""

    def ensure_running(self, within: float = 0.0) -> str:
        """Its conninfo: it is not ours to start."""
        return self.conninfo

    def leave(self) -> None:
        """Nothing to do: it is not ours to stop."""


def _without(these: dict[str, str], named: Mapping[str, object]) -> dict[str, str]:
    return {key: value for key, value in these.items() if key not in named}


def server_of(settings: Settings) -> Server:
    """The server the settings name; relay's own where they name none. Raises BadSettings."""
    if settings.database_url is not None:
        return ExternalServer(settings.database_url.reveal())
    return EmbeddedServer(settings.data_dir)


def has_database(settings: Settings) -> bool:
    """Whether there is a server to ask: an external one, or relay's own in RELAY_DATA_DIR.

    Nothing is made or started. A folder that we may not look into counts: its server says why.
    """
    if settings.database_url is not None:
        return True
    try:
        (settings.data_dir / "postgres").lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def no_database(settings: Settings) -> NoDatabase:
    """The error for a place that has no database of relay's."""
    if settings.database_url is None:
        return NoDatabase(f"in {_shown(settings.data_dir)}", "Is RELAY_DATA_DIR right?")
    named = ("RELAY_DATABASE_URL", "DATABASE_URL")
    variable = next((name for name in named if settings.environment.get(name)), named[0])
    return NoDatabase(f"at {variable}", "Is it right? `relay migrate` prepares a new one.")


def _shown(folder: Path) -> str:
    """As the user gave it; a relative path reads as one."""
    is_plain = not folder.is_absolute() and folder.parts[:1] not in ((), ("..",))
    return f"./{folder}" if is_plain else str(folder)


@contextmanager
def joined(server: Server) -> Iterator[Server]:
    """The server, running for as long as the block does."""
    server.join()
    try:
        yield server
    finally:
        server.leave()
