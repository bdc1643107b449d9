"""The schema is brought up to date in one step, by one process at a time, from any version."""

import threading
from pathlib import Path

import procrastinate.schema
import psycopg
import pytest
from alembic.script import ScriptDirectory

from relay.errors import BadSettings, DatabaseUnavailable
from relay.postgres.migrate import find_schema, is_current, migrate
from relay.postgres.migrations import HEAD
from relay.postgres.migrations.run import MIGRATIONS
from relay.postgres.server import ExternalServer

OURS = tuple(f"{number:04}" for number in range(1, int(HEAD) + 1))
ENGINE = Path(procrastinate.schema.SchemaManager.get_migrations_path())


@pytest.fixture(name="connection")
def _connection(empty_database):
    with psycopg.connect(empty_database.conninfo, autocommit=True) as connection:
        yield connection


def test_head_is_the_newest_migration():
    assert ScriptDirectory(str(MIGRATIONS)).get_current_head() == HEAD


def test_an_empty_database_is_brought_to_date(empty_database, connection):
    assert not is_current(connection)
    assert migrate(empty_database) == ("procrastinate", *OURS)
    assert is_current(connection)


def test_one_that_is_up_to_date_is_left_alone(database):
    assert migrate(database) == ()


def test_an_older_engine_is_upgraded(empty_database, connection, database):
    old = [path for path in sorted(ENGINE.glob("*.sql")) if path.name < "03.03"]
    new = [path.name for path in sorted(ENGINE.glob("*.sql")) if path.name >= "03.03"]
    connection.execute("CREATE SCHEMA relay")
    connection.execute(
        "CREATE TABLE relay.engine_migrations"
        " (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
    )
    for path in old:
        connection.execute(path.read_bytes())
        connection.execute("INSERT INTO relay.engine_migrations (name) VALUES (%s)", (path.name,))
    assert migrate(empty_database) == (*new, *OURS)
    assert is_current(connection)
    with psycopg.connect(database.conninfo) as fresh:
        assert _functions(connection) == _functions(fresh)


def _functions(connection):
    rows = connection.execute(
        "SELECT proname, pg_get_function_arguments(oid) FROM pg_proc"
        " WHERE proname LIKE 'procrastinate%' ORDER BY 1, 2"
    )
    return set(rows)


def test_a_migration_that_fails_leaves_nothing_half_done(empty_database, connection):
    connection.execute("CREATE SCHEMA relay; CREATE TABLE relay.triggers (already text)")
    with pytest.raises(DatabaseUnavailable, match="already exists"):
        migrate(empty_database)
    assert connection.execute("SELECT to_regclass('relay.deliveries')").fetchone() == (None,)
    connection.execute("DROP TABLE relay.triggers")
    assert migrate(empty_database) == OURS


def test_several_processes_may_do_it_at_once(empty_database, connection):
    applied = []
    threads = [
        threading.Thread(target=lambda: applied.append(migrate(empty_database))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(applied) == [(), (), (), ("procrastinate", *OURS)]
    assert is_current(connection)


def test_a_command_neither_makes_nor_changes_a_schema(empty_database, connection):
    """One of another version may be in use by processes that would stop working."""
    assert not find_schema(empty_database)
    assert connection.execute("SELECT to_regclass('relay.deliveries')").fetchone() == (None,)
    migrate(empty_database)
    assert find_schema(empty_database)
    set_versions(connection, newest="0001", oldest="0001")
    with pytest.raises(DatabaseUnavailable, match="older version of relay: run `relay migrate`"):
        find_schema(empty_database)
    assert not is_current(connection)


def set_versions(connection, *, newest, oldest):
    connection.execute("UPDATE relay.schema_version SET version_num = %s", (newest,))
    connection.execute("UPDATE relay.alembic_version SET version_num = %s", (oldest,))


class TestASchemaOfANewerRelay:
    @pytest.fixture(autouse=True)
    def migrated(self, database):
        assert migrate(database) == ()

    @pytest.fixture(name="connection")
    def _connection(self, database):
        with psycopg.connect(database.conninfo, autocommit=True) as connection:
            yield connection

    def test_is_used_if_this_relay_can_work_on_it(self, database, connection):
        set_versions(connection, newest="9999", oldest=HEAD)
        assert is_current(connection)
        assert migrate(database) == ()
        assert find_schema(database)

    @pytest.mark.parametrize("use", [migrate, find_schema])
    def test_is_refused_if_not_and_left_alone(self, database, connection, use):
        set_versions(connection, newest="9999", oldest="9998")
        assert not is_current(connection)
        with pytest.raises(DatabaseUnavailable, match="newer version of relay"):
            use(database)
        row = connection.execute("SELECT version_num FROM relay.schema_version").fetchone()
        assert row == ("9999",)


@pytest.mark.parametrize("use", [migrate, find_schema])
@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM relay.schema_version",
        "DELETE FROM relay.alembic_version",
        "DROP TABLE relay.alembic_version",
        "DROP TABLE relay.alembic_version, relay.schema_version",
    ],
)
def test_relays_tables_without_their_version_are_refused_with_what_to_do(database, damage, use):
    """As after a backup that was restored in part."""
    with psycopg.connect(database.conninfo, autocommit=True) as connection:
        connection.execute(damage)
    with pytest.raises(DatabaseUnavailable, match="restore the whole backup"):
        use(database)


def test_a_first_migration_that_was_killed_is_done_again(empty_database, connection):
    connection.execute("CREATE SCHEMA relay")
    connection.execute("CREATE TABLE relay.alembic_version (version_num varchar(32) PRIMARY KEY)")
    assert migrate(empty_database) == ("procrastinate", *OURS)


def test_a_database_with_another_programs_jobs_is_refused(empty_database, connection):
    connection.execute("CREATE TABLE procrastinate_jobs (id bigint)")
    with pytest.raises(DatabaseUnavailable, match="its own database"):
        migrate(empty_database)


def test_a_url_that_cannot_be_read_is_refused_without_repeating_it():
    with pytest.raises(BadSettings) as refused:
        ExternalServer("postgresql://u:s3cr3t@h:port/x?nonsense=1")
    assert "s3cr3t" not in str(refused.value)


def test_a_url_may_bring_its_own_connection_settings():
    conninfo = ExternalServer("postgresql://h/x?connect_timeout=9&application_name=mine").conninfo
    assert "connect_timeout=9" in conninfo
    assert "application_name=mine" in conninfo
    assert "keepalives_idle=10" in conninfo
