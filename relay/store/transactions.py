"""Transactions, and the translation of connection errors into DatabaseUnavailable."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, LiteralString, Protocol, TypeVar

import psycopg
from psycopg.rows import class_row

from relay.errors import DatabaseUnavailable
from relay.notation import describe_error, short_message

Connection = psycopg.Connection[Any]
Arguments = Sequence[object] | Mapping[str, object]
Row = TypeVar("Row")


class Connections(Protocol):
    """A source of autocommit connections: a pool, or a command's single connection."""

    def connection(self) -> AbstractContextManager[Connection]: ...


class Transactions:
    """Base class of the tables: every public method is one transaction."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    @contextmanager
    def _statement(self) -> Iterator[Connection]:
        """A connection for one statement, without BEGIN and COMMIT: one round trip, not three."""
        try:
            with self._connections.connection() as connection:
                yield connection
        except psycopg.OperationalError as exc:
            raise DatabaseUnavailable(f"PostgreSQL does not answer: {describe_error(exc)}") from exc
        except psycopg.errors.ReadOnlySqlTransaction as exc:
            raise DatabaseUnavailable(f"PostgreSQL takes no writes: {describe_error(exc)}") from exc

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with self._statement() as connection, connection.transaction():
            yield connection


def server_message(exc: Exception) -> str:
    """The server's message of a psycopg error, or of a DatabaseUnavailable caused by one."""
    cause = exc if isinstance(exc, psycopg.Error) else exc.__cause__
    message = cause.diag.message_primary if isinstance(cause, psycopg.Error) else None
    return short_message(message or "the database took too long")


def one(
    connection: Connection, row: type[Row], sql: LiteralString, arguments: Arguments
) -> Row | None:
    """The query's row as an instance of `row`, None if there is none."""
    return connection.cursor(row_factory=class_row(row)).execute(sql, arguments).fetchone()


def every(
    connection: Connection, row: type[Row], sql: LiteralString, arguments: Arguments = ()
) -> list[Row]:
    """The query's rows as instances of `row`."""
    return connection.cursor(row_factory=class_row(row)).execute(sql, arguments).fetchall()
