"""The relations that a query reads, in the SQL of each warehouse."""

import subprocess
import sys

import pytest

from relay.census.sql import MOST_CHARACTERS, read_query
from relay.dbt.relations import Relation

READ = {
    "one table": ("snowflake", "select * from a.b.c", ["a.b.c"]),
    "quoted mixed case": ("snowflake", 'select * from A."Marts"."Dim""X"', ['A.Marts.Dim"X']),
    "without catalog": ("postgres", "select id from marts.dim", ["marts.dim"]),
    "without schema": ("postgres", "select id from dim", ["dim"]),
    "a join": ("redshift", "select * from a.b.c left join a.b.d using (id)", ["a.b.c", "a.b.d"]),
    "the same twice": ("snowflake", "select * from a.b.c x join a.b.c y on x.i = y.p", ["a.b.c"]),
    "a union": (
        "snowflake",
        "select 1 from a.b.c union all select 1 from a.b.d",
        ["a.b.c", "a.b.d"],
    ),
    "a subquery": ("snowflake", "select * from (select * from a.b.c) x", ["a.b.c"]),
    "in exists and select": (
        "snowflake",
        "select (select max(x) from a.b.s) from a.b.c where exists (select 1 from a.b.v)",
        ["a.b.s", "a.b.c", "a.b.v"],
    ),
    "a cte": ("snowflake", "with x as (select * from a.b.c) select * from x", ["a.b.c"]),
    "a cte that reads another": (
        "snowflake",
        "with x as (select * from a.b.c), Y as (select * from X) select * from y",
        ["a.b.c"],
    ),
    "a cte named like the table it reads": (
        "snowflake",
        "with orders as (select * from orders) select * from orders",
        ["orders"],
    ),
    "a cte named like a table with a schema": (
        "snowflake",
        "with orders as (select * from marts.orders) select * from orders",
        ["marts.orders"],
    ),
    "a recursive cte": (
        "postgres",
        "with recursive t as (select id from a.b.c union all select id from t) select * from t",
        ["a.b.c"],
    ),
    "a cte inside another is not seen outside": (
        "postgres",
        "with x as (with y as (select * from r.s) select * from y) select * from x join y on true",
        ["y", "r.s"],
    ),
    "bigquery all in backticks": ("big_query", "select * from `p-x.d.t`", ["p-x.d.t"]),
    "bigquery each in backticks": ("big_query", "select * from `p-x`.`d`.`t`", ["p-x.d.t"]),
    "bigquery bare with a hyphen": ("big_query", "select * from p-x.d.t", ["p-x.d.t"]),
    "bigquery list in a column": ("big_query", "select * from p.d.t as t, t.items", ["p.d.t"]),
    "bigquery unnest": ("big_query", "select * from p.d.t t, unnest(t.items)", ["p.d.t"]),
    "redshift list in a column": ("redshift", "select * from d.t o, o.items i", ["d.t"]),
    "an alias named like a schema": (
        "postgres",
        "select * from public.marts join marts.dim using (id)",
        ["public.marts", "marts.dim"],
    ),
    "databricks": ("databricks", "select * from `main`.marts.`dim`", ["main.marts.dim"]),
    "sql server": ("sql_server", "select top 5 * from [a].[b].[c d]", ["a.b.c d"]),
    "snowflake flatten": (
        "snowflake",
        "select * from a.b.c, lateral flatten(input => c.x) f",
        ["a.b.c"],
    ),
    "snowflake time travel": ("snowflake", "select * from a.b.c at(offset => -60)", ["a.b.c"]),
    "a series of numbers": ("postgres", "select * from generate_series(1, 9), a.b", ["a.b"]),
    "comments first": ("postgres", "-- select 1\n/* x */ (select * from a.b)", ["a.b"]),
    "a semicolon behind it": ("postgres", "select * from a.b;\n", ["a.b"]),
    "a table's name in a text": ("postgres", "select 'from x.y' from a.b", ["a.b"]),
    "an unknown warehouse, double quotes": (None, 'select * from "a"."b"', ["a.b"]),
    "an unknown warehouse, backticks": ("new_one", "select * from `a`.`b`", ["a.b"]),
    "an unknown warehouse, brackets": ("new_one", "select * from [a].[b]", ["a.b"]),
    "no table": ("postgres", "select 1", []),
}
NOT_READ = {
    "liquid": ("select * from a.b where x = {{ segment }}", "template"),
    "jinja": ("{% if x %} select 1 {% endif %}", "template"),
    "a jinja comment": ("{# x #} select 1", "template"),
    "no select": ("drop table a.b", "no query"),
    "empty": ("", "no query"),
    "not sql": ("select * frm a.b", "cannot parse"),
    "two statements": ("select * from a.b; select 1", "cannot parse"),
    "cut off": ("select * from (select", "cannot parse"),
    "nested without end": (f"{'(' * 5000}select 1{')' * 5000}", "cannot parse"),
    "very long": (f"select 1 /* {'x' * MOST_CHARACTERS} */", "longer than"),
}


@pytest.mark.parametrize(("source_type", "sql", "relations"), READ.values(), ids=READ)
def test_a_query_reads_these_relations(source_type, sql, relations):
    read = read_query(sql, source_type=source_type)
    assert read.problem is None
    assert sorted(map(str, read.relations)) == sorted(relations)
    assert read.others == ()


@pytest.mark.parametrize(("sql", "problem"), NOT_READ.values(), ids=NOT_READ)
@pytest.mark.parametrize("source_type", ["snowflake", None])
def test_what_cannot_be_read_says_why(sql, problem, source_type, capfd):
    read = read_query(sql, source_type=source_type)
    assert problem in read.problem
    assert read.relations == ()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("sql", ["select 1; show secrets of x", "select parse_json('x'):a[[b"])
def test_nothing_of_a_query_is_printed(sql):
    """In a process of its own, for pytest takes in what is logged."""
    script = (
        f"from relay.census.sql import read_query; read_query({sql!r}, source_type='snowflake')"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert (ended.stdout, ended.stderr) == (b"", b"")


@pytest.mark.timeout(20)
@pytest.mark.parametrize("levels", [4, 12, 40, 400])
def test_a_query_on_which_the_parser_would_never_end_is_given_up(levels):
    nested = f"{'array[struct(' * levels}1{')]' * levels}"
    read = read_query(f"select {nested} from a.b.c", source_type="big_query")
    assert (read.problem is None) is (levels == 4)


@pytest.mark.parametrize(
    ("sql", "other"),
    [
        ("select * from identifier('db.s.t')", "db.s.t"),
        ("select * from @stage/file join a.b on true", "@stage/file"),
        ("select * from table(my_function(1)) join a.b on true", "MY_FUNCTION(1)"),
    ],
)
def test_what_a_query_reads_beside_tables_is_named(sql, other):
    assert read_query(sql, source_type="snowflake").others == (other,)


def test_a_wildcard_is_no_table_of_that_name():
    read = read_query("select * from `p-1.d.events_*` join d.t on true", source_type="big_query")
    assert (read.relations, read.others) == ((Relation(None, "d", "t"),), ("p-1.d.events_*",))


def test_a_catalog_before_two_points_is_no_schema():
    """`db..t` is in the default schema, which only the warehouse knows."""
    assert read_query("select * from db..t").relations == (Relation("db", None, "t"),)
