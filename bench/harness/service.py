"""relay as a service to measure: several webs and workers on one PostgreSQL."""

import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import psutil
import psycopg
from psycopg.conninfo import conninfo_to_dict

from harness.measure import postmaster
from harness.processes import (
    RELAY,
    WEB,
    becomes_true,
    folder,
    free_port,
    running,
    wait_for_answer,
    wait_for_work,
)
from relay.postgres.embedded import EmbeddedServer
from relay.postgres.migrate import migrate
from relay.postgres.server import joined


@dataclass(frozen=True, slots=True)
class Database:
    """A PostgreSQL with relay's schema: how relay reaches it, how the benchmark does, its pid."""

    url: str
    conninfo: str
    pid: int


@dataclass(frozen=True, slots=True)
class Started:
    """One of relay's processes."""

    name: str
    process: psutil.Popen
    log: Path
    port: int

    @property
    def pid(self) -> int:
        pid: int = self.process.pid
        return pid

    def lines(self) -> Iterator[dict[str, Any]]:
        """Its log lines; a line that is not JSON gets a level of its own."""
        for line in self.log.read_bytes().splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                yield {"level": "stderr", "event": line.decode(errors="replace")}


@dataclass(frozen=True, slots=True)
class Cpu:
    """The CPU of all webs, all workers and PostgreSQL: cores, or milliseconds a dbt run."""

    webs: float
    workers: float
    database: float

    @classmethod
    def of(cls, seconds: Mapping[str, float], *, times: float) -> Self:
        """The seconds that each part has taken, multiplied."""
        kinds = {"web": 0.0, "worker": 0.0, "PostgreSQL": 0.0}
        for name, taken in seconds.items():
            kinds[name.partition(" ")[0]] += taken * times
        return cls(kinds["web"], kinds["worker"], kinds["PostgreSQL"])


@dataclass(frozen=True, slots=True)
class Service:
    """All processes, and their database."""

    webs: Sequence[Started]
    workers: Sequence[Started]
    conninfo: str
    database: int  # the pid of PostgreSQL's first process
    settings: Mapping[str, str]  # for more of relay's processes

    @property
    def parts(self) -> dict[str, int]:
        """The first process of each part."""
        processes = {each.name: each.pid for each in (*self.webs, *self.workers)}
        return {**processes, "PostgreSQL": self.database}

    def wait_until_quiet(self, *, within: float) -> float:
        """Wait until relay is idle, at most so many seconds; return how long that took."""
        began = time.monotonic()
        becomes_true(lambda: self.ask(_STILL_TO_DO) == [(0,)], within=within, interval=0.5)
        return time.monotonic() - began

    def wait_until_sent(self, *, within: float) -> None:
        """Wait until nothing is left to be sent to a channel."""
        becomes_true(lambda: self.ask(_STILL_TO_SEND) == [(0,)], within=within, interval=0.5)

    def ask(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with psycopg.connect(self.conninfo, autocommit=True) as connection:
            return connection.execute(query.encode(), arguments or None).fetchall()

    def logged(self, *levels: str) -> Counter[str]:
        """How often each event was logged at one of these levels."""
        return Counter(
            line["event"]
            for process in (*self.webs, *self.workers)
            for line in process.lines()
            if line.get("level") in levels
        )


_STILL_TO_DO = """
SELECT (SELECT count(*) FROM relay.dbt_runs WHERE planned_at IS NULL AND given_up_at IS NULL)
    + (SELECT count(*) FROM relay.triggers WHERE attempt_id IS NULL)
    + (SELECT count(*) FROM relay.sync_runs WHERE ended_at IS NULL)
"""
_STILL_TO_SEND = """
SELECT (SELECT count(*) FROM relay.alerts WHERE event NOT IN ('drifted', 'unwell') AND CASE
        WHEN resolved_at IS NULL
        THEN NOT EXISTS (SELECT FROM relay.alert_messages WHERE alert_id = alerts.alert_id)
        ELSE settled_at IS NULL END)
    + (SELECT count(*) FROM relay.messages WHERE sent_at IS NULL AND failed_at IS NULL)
"""


def write_mapping(path: Path, entries: Iterable[str], channels: str = "") -> None:
    """Write a mapping file; an entry is the keys of a sync, without braces around them."""
    lines = (f"  - {{{entry}}}" for entry in entries)
    path.write_text("\n".join(("version: 1", f"{channels}syncs:", *lines, "")), encoding="utf-8")


@contextmanager
def serving(
    settings: Mapping[str, str],
    entries: Iterable[str],
    *,
    webs: int,
    workers: int,
    prefix: Sequence[str] = (),
    channels: str = "",
    database: Database | None = None,
) -> Iterator[Service]:
    """So many webs and workers with a mapping, on an external PostgreSQL.

    `prefix` is a command that starts the workers, `channels` is YAML before the mapping's syncs,
    `database` a server that runs already; None for a new one.
    """
    with ExitStack() as stack:
        home = stack.enter_context(folder())
        write_mapping(home / "syncs.yml", entries, channels)
        database = database or stack.enter_context(_new_database(home / "data"))
        settings = {
            **settings,
            "RELAY_DATA_DIR": str(home / "data"),
            "RELAY_DATABASE_URL": database.url,
            "RELAY_MAPPING": str(home / "syncs.yml"),
            "RELAY_LOG_FORMAT": "json",
        }
        worker = (*prefix, *RELAY, "worker")
        yield Service(
            webs=[
                stack.enter_context(_started(home, name, WEB, settings))
                for name in _names("web", webs)
            ],
            workers=[
                stack.enter_context(_started(home, name, worker, settings))
                for name in _names("worker", workers)
            ],
            conninfo=database.conninfo,
            database=database.pid,
            settings=settings,
        )


@contextmanager
def _new_database(data_dir: Path) -> Iterator[Database]:
    with joined(EmbeddedServer(data_dir)) as server:
        migrate(server)
        host = conninfo_to_dict(server.conninfo)["host"]
        url = f"postgresql://postgres@/postgres?host={host}"
        yield Database(url, server.conninfo, postmaster(data_dir))


@contextmanager
def _started(
    home: Path, name: str, command: tuple[str, ...], settings: Mapping[str, str]
) -> Iterator[Started]:
    port, log = free_port(), home / f"{name.replace(' ', '-')}.log"
    with running(command, {**settings, "PORT": str(port)}, log) as process:
        if name.startswith("web"):
            wait_for_answer(port, process)
        else:
            wait_for_work(log, process)
        yield Started(name, process, log, port)


def _names(kind: str, number: int) -> Sequence[str]:
    return [kind] if number == 1 else [f"{kind} {at}" for at in range(1, number + 1)]
