"""Behind a pooler in transaction mode relay does not start, and says what to do instead."""

import psycopg
import pytest
from pgbouncer import pgbouncer

from relay.errors import BadSettings
from relay.postgres.migrate import find_schema, migrate
from relay.postgres.pooler import refuse_transaction_pooler
from relay.postgres.server import ExternalServer


@pytest.mark.parametrize("use", [migrate, find_schema])
def test_a_pooler_in_transaction_mode_is_refused(database, use):
    with (
        pgbouncer(database.conninfo, pool_mode="transaction") as url,
        pytest.raises(BadSettings, match="pool_mode = session"),
    ):
        use(ExternalServer(url))


def test_also_a_busy_one(database):
    """The server processes that others have just left are given out first."""
    with pgbouncer(database.conninfo, pool_mode="transaction") as url:
        others = [psycopg.connect(url) for _ in range(5)]
        for other in others:
            other.execute("SELECT 1")
        with psycopg.connect(url, autocommit=True) as ours:
            for other in others:
                other.rollback()
            with pytest.raises(BadSettings):
                refuse_transaction_pooler(ours, url)
        for other in others:
            other.close()


def test_one_in_session_mode_is_not(empty_database):
    with pgbouncer(empty_database.conninfo, pool_mode="session") as url:
        assert migrate(ExternalServer(url))
        assert migrate(ExternalServer(url)) == ()


def test_nor_is_a_server_without_one(database):
    assert migrate(database) == ()
