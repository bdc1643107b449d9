"""Reading the query of a list, whatever it lists."""

from datetime import UTC, datetime

import pytest

from relay.sandbox.dbt_list_query import (
    Filter,
    ListForm,
    flag,
    number,
    numbers,
    times,
    words,
)

FORM = ListForm(
    filters={"odd": Filter(flag, lambda row, value: row % 2 == value)},
    orders={"id": lambda row: row},
)


def answered(**args):
    return FORM.read(args).answered(range(10), 7)


class TestPages:
    def test_a_page_comes_with_what_was_asked_and_how_many_there_are(self):
        page, extra = answered(odd="true", order_by="-id", limit="2", offset="1")
        assert page == [7, 5]
        assert extra == {
            "filters": {
                "limit": 2,
                "offset": 1,
                "state": "active",
                "account_id": 7,
                "odd": True,
            },
            "order_by": "-id",
            "pagination": {"count": 2, "total_count": 5},
        }

    def test_rows_are_of_one_account_and_none_was_deleted(self):
        assert answered(account_id="7")[0] == list(range(10))
        assert answered(account_id="8")[0] == []
        assert answered(state="deleted")[0] == []

    def test_include_related_is_no_filter(self):
        assert answered(include_related="job", odd="false")[0] == [0, 2, 4, 6, 8]

    def test_all_unknown_parameters_are_named(self):
        with pytest.raises(ValueError, match="'colour', 'size' were unexpected"):
            FORM.read({"size": "1", "colour": "red"})


class TestValues:
    def test_they_are_read_as_clients_send_them(self):
        assert number("12") == 12
        assert (flag("true"), flag("False")) == (True, False)
        assert numbers("[1,2]") == numbers("1, 2") == [1, 2]
        assert words('["a", "b"]') == ["a", "b"]
        assert times('["2026-11-23", "2026-11-23T06:00:00+01:00"]') == (
            datetime(2026, 11, 23, tzinfo=UTC),
            datetime(2026, 11, 23, 5, tzinfo=UTC),
        )

    @pytest.mark.parametrize(
        ("read", "text"),
        [
            (number, "-1"),
            (number, "1.0"),
            (flag, "1"),
            (numbers, "1,x"),
            (numbers, ""),
            (numbers, '["1"]'),
            (words, "a"),
            (times, '["today"]'),
        ],
    )
    def test_others_are_refused(self, read, text):
        with pytest.raises(ValueError, match=r"."):
            read(text)
