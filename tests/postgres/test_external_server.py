"""A server that somebody else runs: settings of its own, encodings, and the time of a failover."""

import asyncio
import time
import uuid
from datetime import UTC, datetime

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from relay.errors import DatabaseUnavailable
from relay.postgres import connections
from relay.postgres.connections import (
    connect_with_timeout,
    engine_pool,
    open_pool,
    single_connection,
)
from relay.postgres.migrate import find_schema, is_current, migrate
from relay.postgres.server import ExternalServer
from relay.store import Delivery, Store
from relay.web.recorder import Recorder


def delivery():
    return Delivery(
        delivery_id=uuid.uuid4(),
        body=b"{}",
        event_id=f"wev_{uuid.uuid4().hex}",
        dbt_account_id=1,
        dbt_run_id=1,
    )


@pytest.fixture(name="alter")
def _alter(sql):
    """Set or reset a setting for all sessions of the test's database that begin from now on."""
    ((name,),) = sql("SELECT current_database()")
    return lambda change: sql(f"ALTER DATABASE {name} {change}")


class TestItsOwnSettings:
    @pytest.fixture(autouse=True)
    def settings(self, alter):
        alter("SET search_path = nowhere")
        alter("SET DateStyle = 'German'")
        alter("SET client_encoding = 'LATIN1'")

    def test_are_no_matter_to_any_connection(self, database):
        with connect_with_timeout(database.conninfo) as connection:
            assert is_current(connection)
        with single_connection(database) as one:
            Store(one).deliveries.record([delivery()])
        with open_pool(database, max_size=1) as pool:
            received_at = Store(pool).deliveries.last_received_at()
            assert abs((datetime.now(UTC) - received_at).total_seconds()) < 60
            with pool.connection() as connection:
                assert connection.info.encoding == "utf-8"

    def test_are_no_matter_to_the_engines(self, database):
        async def jobs():
            async with (
                engine_pool(conninfo=database.conninfo, open=False) as pool,
                pool.connection() as connection,
            ):
                cursor = await connection.execute("SELECT count(*) FROM procrastinate_jobs")
                return await cursor.fetchone()

        assert asyncio.run(jobs()) == (0,)

    def test_are_no_matter_to_a_migration(self, empty_database, postgres):
        name = psycopg.conninfo.conninfo_to_dict(empty_database.conninfo)["dbname"]
        with psycopg.connect(postgres, autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {name} SET search_path = nowhere")
        migrate(empty_database)
        with psycopg.connect(empty_database.conninfo) as connection:
            row = connection.execute("SELECT to_regclass('public.procrastinate_jobs')").fetchone()
        assert row != (None,)


@pytest.mark.parametrize("begin", [migrate, find_schema])
def test_a_database_that_is_not_utf8_is_refused(postgres, begin):
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(
            f"CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' LOCALE_PROVIDER libc"
            " TEMPLATE template0"
        )
        try:
            with pytest.raises(
                DatabaseUnavailable, match="encoded in LATIN1, and relay needs UTF8"
            ):
                begin(ExternalServer(make_conninfo(postgres, dbname=name)))
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


class TestAFailover:
    """Sessions that began while the server took no writes go on like that when it does again."""

    @pytest.fixture(autouse=True)
    def read_only(self, alter):
        alter("SET default_transaction_read_only = on")

    @pytest.fixture(name="end")
    def _end(self, alter, monkeypatch):
        """End it, a second after the connections were last looked at."""

        def end():
            alter("RESET default_transaction_read_only")
            monkeypatch.setattr(connections, "CHECK_INTERVAL", 0.0)

        return end

    def test_a_pool_keeps_no_connection_of_that_time(self, database, end):
        with open_pool(database, max_size=1) as pool:
            store = Store(pool)
            with pool.connection() as connection:
                pass
            end()
            assert store.deliveries.record([delivery()])
            assert connection.closed

    def test_nor_does_the_engines(self, database, end):
        async def write():
            async with engine_pool(conninfo=database.conninfo, open=False) as pool:
                async with pool.connection() as first:
                    pass
                await asyncio.to_thread(end)
                async with pool.connection() as second:
                    await second.execute("UPDATE relay.engine_migrations SET applied_at = now()")
            assert first is not second

        asyncio.run(write())

    def test_a_pool_does_not_connect_without_end_meanwhile(self, database, monkeypatch):
        opened = []
        monkeypatch.setattr(
            database, "ensure_running", lambda: opened.append(1) or database.conninfo
        )
        with open_pool(database, max_size=1) as pool:
            until = time.monotonic() + 3
            while time.monotonic() < until:
                with pytest.raises(DatabaseUnavailable, match="takes no writes"):
                    Store(pool).deliveries.record([delivery()])
        assert 1 < len(opened) < 6

    def test_web_records_over_a_new_connection(self, database, alter, sql):
        recorder = Recorder(database)
        try:
            with pytest.raises(DatabaseUnavailable, match="read-only"):
                recorder.record(delivery())
            alter("RESET default_transaction_read_only")
            assert recorder.record(delivery())
            # Its server is demoted, and another takes its place: for the session that is.
            recorder._connection.execute("SET default_transaction_read_only = on")
            assert not recorder.record(delivery())
        finally:
            recorder.close()
