"""The store is the one place that promises DatabaseUnavailable, whatever is asked of it."""

import contextlib
import inspect
import types
from unittest.mock import MagicMock

import psycopg
import pytest

import relay.store
from relay.errors import DatabaseUnavailable
from relay.postgres.connections import OneConnection
from relay.store import Store

SUBJECTS = sorted(vars(Store(None)))
METHODS = [
    (subject, name)
    for subject in SUBJECTS
    for name, _ in inspect.getmembers(getattr(Store(None), subject), inspect.ismethod)
    if not name.startswith("_")
]


class _Gone:
    """Connections to a PostgreSQL that does not answer."""

    def connection(self):
        raise psycopg.OperationalError("connection refused")


def call(method):
    parameters = inspect.signature(method).parameters.values()
    named = [parameter.name for parameter in parameters if parameter.kind.name == "KEYWORD_ONLY"]
    by_place = [MagicMock()] * (len(parameters) - len(named))
    result = method(*by_place, **dict.fromkeys(named, MagicMock()))
    if isinstance(result, contextlib.AbstractContextManager):
        with result:
            pass


@pytest.mark.parametrize(("subject", "name"), METHODS, ids=".".join)
def test_every_method_says_that_the_database_is_unavailable(subject, name):
    with pytest.raises(DatabaseUnavailable, match="connection refused"):
        call(getattr(getattr(Store(_Gone()), subject), name))


def test_so_does_one_whose_connection_breaks_meanwhile(database, sql):
    with psycopg.connect(database.conninfo, autocommit=True) as connection:
        store = Store(OneConnection(connection))
        assert store.deliveries.last_received_at() is None
        sql("SELECT pg_terminate_backend(%s)", connection.info.backend_pid)
        with pytest.raises(DatabaseUnavailable):
            store.deliveries.last_received_at()


def test_the_store_has_classes_and_no_functions():
    public = [getattr(relay.store, name) for name in relay.store.__all__]
    assert all(isinstance(thing, type | types.UnionType) for thing in public)
