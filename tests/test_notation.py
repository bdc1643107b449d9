"""Durations and vendor URLs are written in one way everywhere."""

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.notation import (
    LONGEST_MESSAGE,
    printable,
    read_duration,
    read_local_time,
    read_time,
    read_vendor_url,
    short_message,
    write_duration,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("15", 15), ("15s", 15), ("10m", 600), ("6h", 21600), ("7d", 604800), (" 1s ", 1)],
)
def test_a_duration_is_a_number_and_a_unit(text, seconds):
    assert read_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "0", "0s", "-5", "1.5h", "10 m", "m", "1w", "\u0661\u0665", "15S", "9999999999"]
)
def test_anything_else_is_refused(text):
    with pytest.raises(ValueError, match="duration"):
        read_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"), [(15, "15s"), (600, "10m"), (5400, "90m"), (86400, "1d"), (61, "61s")]
)
def test_a_duration_is_written_as_short_as_can_be(seconds, text):
    assert write_duration(seconds) == text
    assert read_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://ab123.us1.dbt.com", "https://ab123.us1.dbt.com"),
        ("https://ab123.us1.dbt.com/", "https://ab123.us1.dbt.com"),
        ("https://proxy.example.com/dbt/", "https://proxy.example.com/dbt"),
        ("https://proxy.example.com/api-gateway/v2x", "https://proxy.example.com/api-gateway/v2x"),
        ("http://127.0.0.1:8081", "http://127.0.0.1:8081"),
        ("http://localhost:8081", "http://localhost:8081"),
        ("http://[::1]:8081", "http://[::1]:8081"),
    ],
)
def test_a_vendor_is_reached_over_https_or_on_loopback(text, url):
    assert read_vendor_url(text, example="https://…") == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "app.getcensus.com",
        "ftp://app.getcensus.com",
        "http://app.getcensus.com",
        "http://10.0.0.5",
        "http://127.0.0.1.example.com",
        "https://",
        "https://app.getcensus.com?x=1",
        "https://app.getcensus.com#x",
        "https://app.getcensus.com:port",
        "https://bearer:s3cr3t@app.getcensus.com",
        "https://s3cr3t@app.getcensus.com",
        "https://[s3cr3t",
        "https://app.getcensus.com s3cr3t",
        "https://app.getcensus.com/a s3cr3t",
        "https://app.getcensus.com\\s3cr3t",
        "https://app.getcensus.com/..",
        "https://app.getcensus.com/s3cr3t/../",
    ],
)
def test_any_other_url_is_refused_without_repeating_it(text):
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the message is looked at below
        read_vendor_url(text, example="https://…")
    assert "s3cr3t" not in str(refused.value)


@pytest.mark.parametrize("text", ["ab123.us1.dbt.com", "https://", "https://[x", "ftp://a"])
def test_what_is_no_url_is_refused_with_an_example_of_the_same_vendor(text):
    with pytest.raises(ValueError, match=r"like https://ab123.us1.dbt.com$"):
        read_vendor_url(text, example="https://ab123.us1.dbt.com")


@pytest.mark.parametrize(
    "path",
    [
        "/api/v2",
        "/API/v2/",
        "/v2",
        "/V10/accounts",
        "/deploy/66847/projects/241251/runs/155144666",
        "/settings/accounts/66847",
        "/workspaces/9/syncs/5123",
    ],
)
def test_the_path_of_a_vendors_api_or_page_is_refused_with_the_right_form(path):
    with pytest.raises(ValueError, match=r"write https://proxy.example.com:8443/dbt$"):
        read_vendor_url(f"https://proxy.example.com:8443/dbt{path}", example="https://…")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-22T05:12:24.123456Z", datetime(2026, 11, 22, 5, 12, 24, 123456, UTC)),
        ("2026-11-22 05:12:24.123456+00:00", datetime(2026, 11, 22, 5, 12, 24, 123456, UTC)),
        ("2026-11-22T05:12:24", datetime(2026, 11, 22, 5, 12, 24, 0, UTC)),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_a_vendors_time_is_in_utc_or_none(text, expected):
    assert read_time(text) == expected


@pytest.fixture(name="in_new_york")
def _in_new_york(monkeypatch):
    """This machine's zone is New York's."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-28T06:00Z", datetime(2026, 11, 28, 6, tzinfo=UTC)),
        ("2026-11-28T06:00", datetime(2026, 11, 28, 11, tzinfo=UTC)),
        ("2026-11-28", datetime(2026, 11, 28, 5, tzinfo=UTC)),
        ("18:00", datetime(2026, 11, 27, 23, tzinfo=UTC)),
        ("06:59:30", datetime(2026, 11, 28, 11, 59, 30, tzinfo=UTC)),
    ],
)
def test_a_persons_time_is_in_the_machines_zone_unless_it_names_one(in_new_york, text, expected):
    assert read_local_time(text, datetime(2026, 11, 27, 12, tzinfo=UTC)) == expected


@pytest.mark.parametrize("text", ["soon", "", "8:00", "25:00", "9999-12-31T23:59", "2027-11-29"])
def test_a_persons_time_is_refused_if_it_is_none_or_far_off(text):
    with pytest.raises(ValueError, match="expected a time"):
        read_local_time(text, datetime(2026, 11, 27, 12, tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "as_printed"),
    [
        ("model.shop.orders", "model.shop.orders"),
        (
            "f\u00fcr \u3042\u3000\U0001f469\u200d\U0001f680",
            "f\u00fcr \u3042\u3000\U0001f469\u200d\U0001f680",
        ),
        ("a\0b", r"a\x00b"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\x7f\x9b", r"\x7f\x9b"),
        ("lone \ud83d surrogate", r"lone \ud83d surrogate"),
        ("txt\u202egpj", r"txt\u202egpj"),
        ("\u2066x\u2069", r"\u2066x\u2069"),
        ("one\r\ntwo\tthree\u2028four", "one  two three four"),
    ],
)
def test_what_cannot_be_stored_or_printed_is_escaped_and_nothing_else(text, as_printed):
    assert printable(text) == as_printed
    assert printable(as_printed) == as_printed


@given(st.text(st.characters(exclude_categories=())))
def test_whatever_is_printable_can_be_stored(text):
    stored = printable(text).encode()
    assert b"\0" not in stored
    assert b"\n" not in stored


def test_a_message_is_one_line_of_a_bounded_length():
    assert short_message("  no\n such\0 sync ") == r"no such\x00 sync"
    assert len(short_message("word " * 10_000)) == LONGEST_MESSAGE
