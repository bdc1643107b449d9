"""A real PostgreSQL, a new database for each test, and the service with the sandbox."""

import asyncio
import logging
import os
import signal
import tempfile
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
import structlog
from clocks import Clock
from databases import Databases
from mappings import mapping_text, sync_entry
from psycopg.conninfo import make_conninfo

from relay.mapping_file import MappingFile
from relay.operations import trigger as manual
from relay.operations.replay import replay_run
from relay.postgres.connections import open_pool
from relay.postgres.embedded import EmbeddedServer
from relay.postgres.migrate import migrate
from relay.postgres.server import ExternalServer
from relay.sandbox import open_sandbox, story
from relay.sandbox.command import environment
from relay.settings import ServiceSettings
from relay.store import Delivery, Redo, Store, jobs
from relay.worker import tasks
from relay.worker.engine import engine_of
from relay.worker.services import build_services

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what runs in the background so, and the processes under test would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(name="clock")
def _clock():
    """A clock a day ahead of the database's, so that no scheduled job becomes due by itself."""
    return Clock(datetime.now(UTC) + timedelta(days=1))


@pytest.fixture(autouse=True)
def _no_logger_outlives_its_test(monkeypatch):
    """Reset relay's loggers, which cache their first configuration."""
    configure = structlog.configure
    monkeypatch.setattr(
        structlog,
        "configure",
        lambda **how: configure(**how | {"cache_logger_on_first_use": False}),
    )
    before = logging.root.handlers[:], logging.root.level
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    logging.captureWarnings(capture=False)
    logging.root.handlers[:], logging.root.level = before


@pytest.fixture(name="logged")
def _logged():
    """The log lines of a test, as dictionaries."""
    with structlog.testing.capture_logs(
        processors=[structlog.contextvars.merge_contextvars]
    ) as lines:
        yield lines


@pytest.fixture(name="events")
def _events(logged):
    """The log lines so far of the named events."""
    return lambda *names: [line for line in logged if line["event"] in names]


@pytest.fixture(name="postgres", scope="session")
def _postgres():
    """The conninfo of the server in the environment, or of an embedded one."""
    named = os.environ.get("RELAY_TEST_DATABASE_URL")
    if named:
        yield named
        return
    # Not below pytest's own folder: as root the server is another user, and pytest closes
    # that folder to others whenever a session starts.
    with tempfile.TemporaryDirectory(prefix="relay-tests-") as folder:
        Path(folder).chmod(0o711)
        server = EmbeddedServer(Path(folder) / "data")
        server.join()
        _forget_at_a_crash(server)
        yield server.conninfo
        server.leave()


def _forget_at_a_crash(server):
    """Write nothing through to the disk: what is killed in tests has a server of its own."""
    with psycopg.connect(server.conninfo, autocommit=True) as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.execute("SELECT pg_reload_conf()")


@pytest.fixture(name="template", scope="session")
def _template(postgres):
    name = f"template_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        migrate(ExternalServer(make_conninfo(postgres, dbname=name)))
        yield name
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(name="empty_database")
def _empty_database(postgres):
    """A server with an empty database."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield ExternalServer(make_conninfo(postgres, dbname=name))
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(name="databases", scope="session")
def _databases(postgres, template):
    databases = Databases(postgres, template)
    yield databases
    databases.drop_all()


@pytest.fixture(name="database")
def _database_up_to_date(databases):
    """A server whose database is up to date, for one test."""
    with databases.one() as server:
        yield server


@pytest.fixture(name="sql")
def _sql(database):
    """Query the test's database: `sql("SELECT …") -> rows`."""
    with psycopg.connect(database.conninfo, autocommit=True) as connection:

        def ask(query, *arguments):
            given = arguments[0] if arguments and isinstance(arguments[0], dict) else arguments
            cursor = connection.execute(query, given)
            return cursor.fetchall() if cursor.description else None

        yield ask


@pytest.fixture(name="store")
def _store(database):
    with open_pool(database, max_size=4) as pool:
        yield Store(pool)


@pytest.fixture(name="sandbox")
def _sandbox(clock):
    """dbt Cloud and Census, whose sync runs end only when the test ends them."""
    with open_sandbox(runs_take=None, clock=clock) as sandbox:
        yield sandbox


class Relay:
    """The service in this process: the real store, tasks and engine; the time is the test's."""

    def __init__(self, services, database, sandbox, sql, clock, mapping):
        self.services, self.database, self.sandbox = services, database, sandbox
        self.sql, self.clock, self._mapping = sql, clock, mapping

    def map(self, text):
        """Replace the mapping file."""
        self._mapping.write_text(text)
        self.services.mapping.refresh()

    def deliver(self, run):
        """Add this run to dbt Cloud, and record its webhook."""
        self.sandbox.dbt_cloud.add_run(run)
        delivery = Delivery(
            delivery_id=uuid.uuid4(),
            body=b"{}",
            event_id=f"wev_{uuid.uuid4().hex}",
            dbt_account_id=story.DBT_ACCOUNT_ID,
            dbt_run_id=run.dbt_run_id,
        )
        self.services.store.deliveries.record([delivery])

    def replay(self, dbt_run_id, redo=Redo.NOTHING):
        """Do what `relay replay` does; return its result."""
        settings = self.services.settings
        return replay_run(self.database, settings, dbt_run_id, redo, by="ana@ops")

    def trigger(self, sync_id, records):
        """Do what `relay trigger` does."""
        mapping = self.services.mapping.current
        now = self.clock()
        manual.trigger(self.database, mapping, "default", sync_id, records, by="ana@ops", now=now)

    def start(self):
        """Do what a worker does when it starts."""
        tasks.start_periodic_tasks(self.services)

    def round(self):
        """Do what a worker does every ten seconds, and then all due jobs."""
        tasks.defer_periodic_tasks(self.services)
        self.work()

    def work(self):
        """Run every job that is due by the test's clock."""
        self.sql(
            "UPDATE procrastinate_jobs SET scheduled_at = now()"
            " WHERE status = 'todo' AND scheduled_at <= %s",
            self.clock(),
        )
        asyncio.run(self._work())

    async def _work(self):
        async with engine_of(self.services, self.database).open_async() as engine:
            await engine.run_worker_async(
                queues=jobs.QUEUES,
                wait=False,
                concurrency=1,
                listen_notify=False,
                delete_jobs="successful",
                install_signal_handlers=False,
            )

    def is_idle(self):
        """Whether no job is left to do."""
        query = "SELECT count(*) FROM procrastinate_jobs WHERE status <> 'succeeded'"
        return self.sql(query) == [(0,)]

    def finish_sync_runs(self):
        """Complete every running sync run."""
        for run in self.sandbox.census.sync_runs:
            if run.end is None:
                self.sandbox.census.finish(run.sync_run_id)

    def tick(self, seconds):
        """Advance the clock."""
        self.clock.tick(seconds)

    def work_for(self, seconds):
        """Advance the clock, and run each job when it is due."""
        until = self.clock() + timedelta(seconds=seconds)
        self.work()
        while (due := self._next_due()) is not None and due <= until:
            self.clock.tick(max((due - self.clock()).total_seconds(), 0))
            self.work()
        self.clock.tick((until - self.clock()).total_seconds())

    def _next_due(self):
        query = "SELECT min(scheduled_at) FROM procrastinate_jobs WHERE status = 'todo'"
        return self.sql(query)[0][0]


@pytest.fixture(name="settings")
def _settings(sandbox, database, tmp_path):
    """Settings for the sandbox; `RELAY_FOLLOW_INTERVAL` and the rest are the defaults."""
    mapping = tmp_path / "syncs.yml"
    mapping.write_text(story.MAPPING)
    return ServiceSettings.from_environment(
        {
            **environment(sandbox.dbt_cloud.url, sandbox.census.url),
            "CENSUS_API_VERSION": "v1",
            "RELAY_DATABASE_URL": _as_url(database.conninfo),
            "RELAY_MAPPING": str(mapping),
            "RELAY_DATA_DIR": str(tmp_path / "data"),
        },
    )


def _as_url(conninfo):
    named = psycopg.conninfo.conninfo_to_dict(conninfo)
    return (
        f"postgresql://{named.get('user', '')}@/{named['dbname']}?host={named['host']}"
        if "password" not in named
        else f"postgresql://{named['user']}:{named['password']}@{named['host']}"
        f":{named.get('port', 5432)}/{named['dbname']}"
    )


@pytest.fixture(name="relay")
def _relay(settings, store, database, sandbox, sql, clock):
    services = build_services(
        settings,
        MappingFile(settings.mapping, settings.census_hosts),
        store,
        clock,
        clock.stopwatch,
    )
    return Relay(services, database, sandbox, sql, clock, Path(settings.mapping))


@pytest.fixture(name="one")
def _one(relay):
    """The service with one sync, 5123, which depends on customers."""
    relay.map(mapping_text(sync_entry(5123, "customers")))
    return relay
