"""relay as a service: webs and workers of its own on one PostgreSQL, for whoever measures them."""

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg
from measure import folder, free_port, postmaster, stop, wait_for_answer
from psycopg.conninfo import conninfo_to_dict

from relay.postgres.embedded import EmbeddedServer
from relay.postgres.migrate import migrate
from relay.postgres.server import joined

CHECKOUT = Path(__file__).parent.parent
GUNICORN_CONF = str(CHECKOUT / "config" / "gunicorn.conf.py")
WEB = (sys.executable, "-m", "gunicorn", "-c", GUNICORN_CONF)
WORKER = (sys.executable, "-m", "relay", "worker")
PATIENCE = 30.0  # seconds for a start


@dataclass(frozen=True, slots=True)
class Started:
    """One of relay's processes."""

    name: str
    pid: int
    log: Path
    port: int

    def lines(self) -> Iterator[dict[str, Any]]:
        """What it logged; what is no JSON counts as a line of a level of its own."""
        for line in self.log.read_bytes().splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                yield {"level": "stderr", "event": line.decode(errors="replace")}


@dataclass(frozen=True, slots=True)
class Service:
    """All that runs, and its database."""

    webs: Sequence[Started]
    workers: Sequence[Started]
    conninfo: str
    database: int  # the pid of PostgreSQL's first process

    @property
    def parts(self) -> dict[str, int]:
        """The first process of each part."""
        processes = {each.name: each.pid for each in (*self.webs, *self.workers)}
        return {**processes, "PostgreSQL": self.database}

    def ask(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        """The rows the database answers with."""
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


@contextmanager
def serving(
    settings: Mapping[str, str], mapping: str, *, webs: int, workers: int
) -> Iterator[Service]:
    """So many webs and workers with a mapping, on a PostgreSQL that relay takes for another's."""
    with ExitStack() as stack:
        home = stack.enter_context(folder())
        (home / "syncs.yml").write_text(mapping, encoding="utf-8")
        server = stack.enter_context(joined(EmbeddedServer(home / "data")))
        migrate(server)
        host = conninfo_to_dict(server.conninfo)["host"]
        environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ},
            **settings,
            "RELAY_DATA_DIR": str(home / "data"),
            "RELAY_DATABASE_URL": f"postgresql://postgres@/postgres?host={host}",
            "RELAY_MAPPING": str(home / "syncs.yml"),
            "RELAY_LOG_FORMAT": "json",
        }
        started = {
            name: stack.enter_context(_started(home, name, command, environment))
            for name, command in (
                *((_name("web", number, webs), WEB) for number in range(webs)),
                *((_name("worker", number, workers), WORKER) for number in range(workers)),
            )
        }
        yield Service(
            webs=[each for name, each in started.items() if name.startswith("web")],
            workers=[each for name, each in started.items() if name.startswith("worker")],
            conninfo=server.conninfo,
            database=postmaster(home / "data"),
        )


@contextmanager
def _started(
    home: Path, name: str, command: tuple[str, ...], settings: Mapping[str, str]
) -> Iterator[Started]:
    port, log = free_port(), home / f"{name.replace(' ', '-')}.log"
    with log.open("wb") as output:
        process = psutil.Popen(
            command,
            stdout=output,
            stderr=output,
            cwd=CHECKOUT,
            env={**settings, "PORT": str(port)},
        )
    try:
        if name.startswith("web"):
            wait_for_answer(port, process)
        else:
            _wait_for_work(process, log)
        yield Started(name, process.pid, log, port)
    finally:
        stop(process)


def _wait_for_work(process: psutil.Popen, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while b"worker.started" not in log.read_bytes():
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(log.read_text(encoding="utf-8"))
        time.sleep(0.05)


def _name(kind: str, number: int, of: int) -> str:
    return kind if of == 1 else f"{kind} {number + 1}"
