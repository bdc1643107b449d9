"""The tables a query reads, by sqlglot. Nothing else of relay loads that: it takes 100 ms."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from relay.dbt.decoding import gc_paused
from relay.dbt.relations import Relation

if TYPE_CHECKING:
    from sqlglot import exp

MOST_CHARACTERS = 200_000  # of a query; a longer one is for a person
# Nodes of the tree beside one for each character. sqlglot tries again what it has read wrongly,
# which in nested structs doubles with each level: ten levels would take half a minute.
MOST_NODES = 10_000

# Census's words for the types of its sources, and sqlglot's for their dialects.
_DIALECTS = {
    "athena": "athena",
    "azure_synapse": "tsql",
    "big_query": "bigquery",
    "bigquery": "bigquery",
    "clickhouse": "clickhouse",
    "databricks": "databricks",
    "fabric": "fabric",
    "motherduck": "duckdb",
    "mysql": "mysql",
    "oracle": "oracle",
    "postgres": "postgres",
    "postgresql": "postgres",
    "redshift": "redshift",
    "singlestore": "singlestore",
    "snowflake": "snowflake",
    "sql_server": "tsql",
    "starburst": "trino",
    "trino": "trino",
}
_LISTS_IN_FROM = frozenset({"", "bigquery", "redshift"})  # FROM may name a column that is a list
_WILDCARDS = frozenset({"", "bigquery"})  # a name that ends with `*` is many tables
_ANY_DIALECT = ("", "bigquery", "tsql")  # between them they know every quotation mark
_TEMPLATE = re.compile(r"\{\{|\{%|\{#")
_COMMENT_OR_PARENTHESIS = r"(?:\s|\(|--[^\n]*(?:\n|$)|/\*.*?\*/)*"
_QUERY = re.compile(rf"{_COMMENT_OR_PARENTHESIS}(?:select|with|from)\b", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class QueryRead:
    """The relations that a query reads, each once, in its order.

    `others` are what it reads that has no name of a table, such as a stage or a function.
    `problem` says why the query cannot be read; None where it can.
    """

    relations: tuple[Relation, ...] = ()
    others: tuple[str, ...] = ()
    problem: str | None = None


def read_query(sql: str, *, source_type: str | None = None) -> QueryRead:
    """Read which relations a query names; never raises.

    `source_type` is Census's word for the warehouse; where it is unknown, any dialect does.
    """
    if _TEMPLATE.search(sql):
        return QueryRead(problem="it is a template, which only Census fills in")
    if len(sql) > MOST_CHARACTERS:
        return QueryRead(problem=f"it is longer than {MOST_CHARACTERS} characters")
    if not _QUERY.match(sql):
        return QueryRead(problem="it is no query")
    dialect = _DIALECTS.get((source_type or "").lower())
    for one in (dialect,) if dialect else _ANY_DIALECT:
        tree = _parse(sql, one)
        if tree is not None:
            return _tables_of(tree, one)
    return QueryRead(problem=f"relay cannot parse it as SQL{f' of {dialect}' if dialect else ''}")


def _parse(sql: str, dialect: str) -> "exp.Expr | None":
    """The one statement that the text is; None where it is none, or several."""
    import sqlglot  # noqa: PLC0415 - only what matches queries needs it

    sqlglot.logger.setLevel("CRITICAL")  # its warnings repeat the SQL
    try:
        with gc_paused():
            parsed = sqlglot.parse(sql, dialect=dialect, max_nodes=len(sql) + MOST_NODES)
        statements = [tree for tree in parsed if tree is not None]
    except Exception:  # noqa: BLE001 - odd SQL raises all sorts of errors, RecursionError too
        return None
    is_query = len(statements) == 1 and isinstance(statements[0], sqlglot.exp.Query)
    return statements[0] if is_query else None


def _tables_of(tree: "exp.Expr", dialect: str) -> QueryRead:
    from sqlglot import exp  # noqa: PLC0415 - likewise

    relations: dict[Relation, None] = {}
    others: dict[str, None] = {}
    for read in tree.find_all(exp.Table, exp.TableFromRows, bfs=False):
        if isinstance(read, exp.Table) and dialect in _WILDCARDS and read.name.endswith("*"):
            others[".".join(part.name for part in read.parts)] = None
        elif isinstance(read, exp.Table) and isinstance(read.this, exp.Identifier | exp.Dot):
            if not (_is_cte(read) or (dialect in _LISTS_IN_FROM and _is_column(read))):
                relations[_relation(read)] = None
        elif _may_read_tables(read.this):
            others[str(read.this.sql(comments=False))] = None
    return QueryRead(tuple(relations), tuple(others))


def _may_read_tables(read: "exp.Expr") -> bool:
    """Whether it is no function that sqlglot knows, such as one that makes a series of numbers."""
    from sqlglot import exp  # noqa: PLC0415 - likewise

    names_tables = isinstance(read, exp.Anonymous | exp.DynamicIdentifier)
    return names_tables or not isinstance(read, exp.Func)


def _relation(table: "exp.Table") -> Relation:
    parts = [part.name for part in table.parts]
    if table.args.get("catalog") and not table.args.get("db"):  # `catalog..name`
        parts.insert(-1, "")
    return Relation(
        ".".join(parts[:-2]) or None, (parts[-2] or None) if len(parts) > 1 else None, parts[-1]
    )


def _is_cte(table: "exp.Table") -> bool:
    """Whether a query around it names a common table expression like this."""
    if len(table.parts) > 1:
        return False
    return table.name.casefold() in _names_of_ctes(table)


def _names_of_ctes(table: "exp.Table") -> Iterator[str]:
    """Those that can be seen from there: of its own WITH, a CTE sees those before it."""
    from sqlglot import exp  # noqa: PLC0415 - likewise

    node: exp.Expr = table
    within: exp.Expr | None = None  # the CTE that the table stands in
    while parent := node.parent:
        if isinstance(node, exp.CTE) and isinstance(parent, exp.With):
            within = node
            for cte in parent.expressions:
                if cte is within and not parent.recursive:
                    break
                yield cte.alias.casefold()
                if cte is within:
                    break
        elif isinstance(parent, exp.Query) and not isinstance(node, exp.With):
            yield from (cte.alias.casefold() for cte in parent.ctes)
        node = parent


def _is_column(table: "exp.Table") -> bool:
    """Whether it is a list in a column of another table: `from orders, orders.items`."""
    from sqlglot import exp  # noqa: PLC0415 - likewise

    first = table.parts[0].name.casefold()
    query = table.find_ancestor(exp.Select) if len(table.parts) > 1 else None
    while query is not None:
        if any(_names(read, first) for read in _read_by(query) if read is not table):
            return True
        query = query.find_ancestor(exp.Select)
    return False


def _names(read: "exp.Expr", alias: str) -> bool:
    return bool(read.alias_or_name.casefold() == alias)


def _read_by(query: "exp.Select") -> Iterator["exp.Expr"]:
    """What stands behind its FROM and JOINs."""
    if query.args.get("from_"):
        yield query.args["from_"].this
    yield from (join.this for join in query.args.get("joins") or ())
