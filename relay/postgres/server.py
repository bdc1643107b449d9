"""Which PostgreSQL server: an external one, or relay's own."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from relay.errors import BadSettings, NoDatabase, Problem
from relay.postgres.embedded import EmbeddedServer
from relay.settings import Settings

# The kernel detects a dead peer, so a query needs no timeout for it.
_CONNECTION_DEFAULTS = {
    "connect_timeout": "3",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "2",
    "tcp_user_timeout": "10000",
    "application_name": "relay",
}


_UNREADABLE = (
    "cannot be read as a PostgreSQL URL: percent-encode special characters in user and password "
    "(@ is %40, / is %2F, % is %25, a blank is %20)"
)


class Server(Protocol):
    """A PostgreSQL server: external, or relay's own."""

    def join(self) -> None:
        """Keep it running as long as this process uses it. Raises DatabaseUnavailable."""

    @property
    def conninfo(self) -> str:
        """Its conninfo, whether it is running or not."""

    def ensure_running(self, within: float = ...) -> str:
        """Its conninfo; a pool calls this before it connects.

        Raises DatabaseUnavailable if it had to be started and that took too long.
        """

    def leave(self) -> None:
        """End the use of it by this process."""


class ExternalServer:
    """The server of RELAY_DATABASE_URL, which relay neither starts nor stops."""

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
        """Nothing to do: relay does not start it."""

    def ensure_running(self, within: float = 0.0) -> str:
        """Its conninfo."""
        return self.conninfo

    def leave(self) -> None:
        """Nothing to do: relay does not stop it."""


def _without(these: dict[str, str], named: Mapping[str, object]) -> dict[str, str]:
    return {key: value for key, value in these.items() if key not in named}


def server_of(settings: Settings) -> Server:
    """The settings' external server, or relay's own if none is set. Raises BadSettings."""
    if settings.database_url is not None:
        return ExternalServer(settings.database_url.reveal())
    return EmbeddedServer(settings.data_dir)


def has_database(settings: Settings) -> bool:
    """Whether there is a server: an external one, or relay's own in RELAY_DATA_DIR.

    Nothing is created or started. A folder without read permission counts: starting its server
    reports the cause.
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
    """The error for a place without a relay database."""
    if settings.database_url is None:
        return NoDatabase(f"in {_shown(settings.data_dir)}", "Is RELAY_DATA_DIR right?")
    named = ("RELAY_DATABASE_URL", "DATABASE_URL")
    variable = next((name for name in named if settings.environment.get(name)), named[0])
    return NoDatabase(f"at {variable}", "Is it right? `relay migrate` prepares a new one.")


def _shown(folder: Path) -> str:
    """The path as the user wrote it; a relative one begins with `./`."""
    is_plain = not folder.is_absolute() and folder.parts[:1] not in ((), ("..",))
    return f"./{folder}" if is_plain else str(folder)


@contextmanager
def joined(server: Server) -> Iterator[Server]:
    """Keep the server running during the block."""
    server.join()
    try:
        yield server
    finally:
        server.leave()
