"""Tables for a terminal: as wide as they must be, and no wider than it is."""

import pytest

from relay.commands.tables import Coloured, table, without_empty_columns

HEADING = ("sync", "problem")
ROWS = [(5123, "Census answered HTTP 422: the source is gone"), (7, None)]


def test_a_table_is_as_wide_as_it_must_be():
    assert list(table(HEADING, ROWS)) == [
        "  sync  problem",
        "  ----  --------------------------------------------",
        "  5123  Census answered HTTP 422: the source is gone",
        "  7     -",
    ]


def test_it_fits_a_width_and_loses_nothing():
    assert list(table(HEADING, ROWS, width=32)) == [
        "  sync  problem",
        "  ----  ------------------------",
        "  5123  Census answered HTTP",
        "        422: the source is gone",
        "  7     -",
    ]


@pytest.mark.parametrize("width", [1, 8])
def test_it_has_columns_on_a_terminal_that_is_too_narrow(width):
    lines = list(table(HEADING, ROWS, width=width))
    assert lines[2:5] == ["  5123  Census", "        answered", "        HTTP"]


def test_colours_take_no_place():
    coloured = list(table(("state", "sync"), [(Coloured("failed", "red"), 1), ("completed", 2)]))
    assert coloured[2] == "  \x1b[31mfailed\x1b[0m     1"
    assert coloured[3] == "  completed  2"


def test_no_color_leaves_them_out(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    assert list(table(("state",), [(Coloured("failed", "red"),)]))[2] == "  failed"


def test_columns_without_anything_are_left_out():
    heading, rows = without_empty_columns(("a", "b", "c"), [(1, None, None), (2, None, 0)])
    assert (heading, rows) == (["a", "c"], [[1, None], [2, 0]])


def test_columns_without_a_value_are_left_out_but_not_where_there_is_no_row():
    assert without_empty_columns(HEADING, [(7, None)]) == (["sync"], [[7]])
    assert without_empty_columns(HEADING, []) == (list(HEADING), [])
