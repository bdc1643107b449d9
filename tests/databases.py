"""Databases for tests: emptied and used again, because making one takes longer than most tests."""

import uuid
from contextlib import contextmanager

import psycopg
from psycopg.conninfo import make_conninfo

from relay.postgres.server import ExternalServer


class Databases:
    """Copies of a template on one server; what a test changed in any other way is dropped."""

    def __init__(self, postgres, template):
        self._postgres, self._template = postgres, template
        self._spare = []
        self._shapes = {}

    @contextmanager
    def one(self):
        """A database like a new one, as a server."""
        name = self._spare.pop() if self._spare else self._create()
        try:
            yield ExternalServer(make_conninfo(self._postgres, dbname=name))
        finally:
            if self._is_empty_again(name):
                self._spare.append(name)
            else:
                self._drop(name)

    def drop_all(self):
        """Drop what is left."""
        while self._spare:
            self._drop(self._spare.pop())

    def _create(self):
        name = f"test_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self._postgres, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {self._template}")
        with self._connected(name) as connection:
            self._shapes[name] = connection.execute(_SHAPE).fetchone()
        return name

    def _is_empty_again(self, name):
        try:
            with self._connected(name) as connection:
                connection.execute(_END_OTHERS)
                connection.execute(_EMPTY)
                return connection.execute(_SHAPE).fetchone() == self._shapes[name]
        except psycopg.Error:
            return False

    def _drop(self, name):
        with psycopg.connect(self._postgres, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def _connected(self, name):
        return psycopg.connect(make_conninfo(self._postgres, dbname=name), autocommit=True)


_END_OTHERS = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_EMPTY = """
DO $$
DECLARE
    found regclass;
    is_filled boolean;
    filled text := '';
BEGIN
    FOR found IN
        SELECT oid FROM pg_class WHERE relkind = 'r'
          AND relname NOT IN ('alembic_version', 'schema_version', 'engine_migrations')
          AND relnamespace IN ('relay'::regnamespace, 'public'::regnamespace)
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %s)', found) INTO is_filled;
        IF is_filled THEN filled := filled || ', ' || found; END IF;
    END LOOP;
    IF filled <> '' THEN EXECUTE 'TRUNCATE ' || substr(filled, 3) || ' CASCADE'; END IF;
    PERFORM setval(oid, 1, false) FROM pg_class WHERE relkind = 'S'
      AND relnamespace IN ('relay'::regnamespace, 'public'::regnamespace);
END $$
"""
# All that a test may have created, altered or dropped.
_SHAPE = """
SELECT (SELECT array_agg(name ORDER BY name) FROM relay.engine_migrations)::text,
       (SELECT array_agg(version_num) FROM relay.alembic_version)::text,
       (SELECT array_agg(version_num) FROM relay.schema_version)::text,
       (SELECT array_agg((oid, relname, relkind) ORDER BY oid) FROM pg_class
        WHERE relnamespace IN ('relay'::regnamespace, 'public'::regnamespace))::text,
       (SELECT array_agg((attrelid, attname, atttypid, attnotnull, atthasdef)
                         ORDER BY attrelid, attnum)
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        WHERE relnamespace IN ('relay'::regnamespace, 'public'::regnamespace))::text,
       (SELECT array_agg((oid, proname, md5(prosrc)) ORDER BY oid) FROM pg_proc
        WHERE pronamespace IN ('relay'::regnamespace, 'public'::regnamespace))::text,
       (SELECT array_agg((oid, tgname, tgenabled) ORDER BY oid) FROM pg_trigger)::text,
       (SELECT array_agg((oid, conname) ORDER BY oid) FROM pg_constraint)::text,
       (SELECT array_agg((setrole, setconfig)) FROM pg_db_role_setting
        JOIN pg_database ON pg_database.oid = setdatabase
        WHERE datname = current_database())::text,
       (SELECT array_agg(nspname ORDER BY oid) FROM pg_namespace WHERE nspname !~ '^pg_')::text,
       (SELECT datallowconn::text || datconnlimit FROM pg_database
        WHERE datname = current_database())
"""
