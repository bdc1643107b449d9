"""A database with 1,000 mapped syncs and their history, for webs that are measured on it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import LiteralString

from harness.history import SYNCS, fill
from harness.processes import WEB, HttpServer, folder, http_server
from harness.service import write_mapping
from relay.postgres.embedded import EmbeddedServer
from relay.postgres.migrate import migrate
from relay.postgres.server import Server, joined
from relay.sandbox import story

LITTLE, MUCH = 20_000, 200_000  # past sync runs
ADMIN_TOKEN = "admin-token-of-the-benchmark-0123456789"


@dataclass(frozen=True, slots=True)
class HistoryDatabase:
    """The database, its folder, and the settings of a web without the dashboard."""

    home: Path
    server: Server
    settings: Mapping[str, str]

    @property
    def dashboard_settings(self) -> dict[str, str]:
        """The settings of a web with the dashboard."""
        return {**self.settings, "RELAY_ADMIN_TOKEN": ADMIN_TOKEN}

    def web(self, settings: Mapping[str, str]) -> AbstractContextManager[HttpServer]:
        """A web process that answers, until the block ends."""
        return http_server(WEB, settings, self.home / "web.log")


@contextmanager
def history_database(
    sync_runs: int, start: datetime, *more: Sequence[LiteralString]
) -> Iterator[HistoryDatabase]:
    """A database with the history of so many sync runs since `start`; `more` as for `fill`."""
    with ExitStack() as stack:
        home = stack.enter_context(folder())
        write_mapping(home / "syncs.yml", map(_entry, range(1, SYNCS + 1)))
        server = stack.enter_context(joined(EmbeddedServer(home / "data")))
        migrate(server)
        fill(server, range(sync_runs), start, *more)
        yield HistoryDatabase(home, server, _settings(home))


def _entry(number: int) -> str:
    models = ", ".join(f"model_{(number * 2 + n) % 2000}" for n in (1, 2, 3))
    return (
        f"sync_id: {number}, name: sync {number}, owner: team, depends_on: [{models}],"
        " fresh_within: 2h"
    )


def _settings(home: Path) -> dict[str, str]:
    return {
        "DBT_CLOUD_WEBHOOK_SECRETS": story.WEBHOOK_SECRET,
        "DBT_CLOUD_ACCOUNT_ID": str(story.DBT_ACCOUNT_ID),
        "RELAY_DATA_DIR": str(home / "data"),
        "RELAY_MAPPING": str(home / "syncs.yml"),
        "RELAY_LOG_FORMAT": "json",
    }
